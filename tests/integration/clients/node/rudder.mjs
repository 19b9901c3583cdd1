// @rudderstack/rudder-sdk-node: each call once, compressed as it does by default.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [dataPlaneUrl, writeKey, userId] = process.argv.slice(2)
const Analytics = RudderAnalytics.default ?? RudderAnalytics
const failed = (error) => {
  console.error(error)
  process.exitCode = 1
}
const client = new Analytics(writeKey, { dataPlaneUrl, errorHandler: failed })
client.identify({ userId, traits: { email: `${userId}@example.co.jp`, company: { name: '株式会社アクメ' } } })
client.track({ userId, event: '資料請求', properties: { catalogue: '総合カタログ', count: 3 } })
client.page({ userId, name: '料金', properties: { url: 'https://www.example.co.jp/price' } })
client.screen({ userId, name: 'ホーム' })
client.group({ userId, groupId: 'acme', traits: { name: '株式会社アクメ', employees: 120 } })
client.alias({ userId, previousId: `${userId}-before` })
await client.flush()
