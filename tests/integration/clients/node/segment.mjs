// @segment/analytics-node: each call once, and the errors that it tells of.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, userId] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 4 })
analytics.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
})
analytics.identify({ userId, traits: { email: `${userId}@example.co.jp`, company: { name: '株式会社アクメ' } } })
analytics.track({ userId, event: '資料請求', properties: { catalogue: '総合カタログ', count: 3 } })
analytics.page({ userId, name: '料金', properties: { url: 'https://www.example.co.jp/price' } })
analytics.screen({ userId, name: 'ホーム' })
analytics.group({ userId, groupId: 'acme', traits: { name: '株式会社アクメ', employees: 120 } })
analytics.alias({ userId, previousId: `${userId}-before` })
await analytics.closeAndFlush()
