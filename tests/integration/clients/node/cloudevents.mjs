// cloudevents: the same event in each of the three modes, as the library writes it.
import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from 'cloudevents'

const [url, writeKey, userid] = process.argv.slice(2)
const address = `${url}/v1/events?writeKey=${writeKey}`
// The name is in ASCII: in binary mode the library writes it into a header as it is.
const event = (id) =>
  new CloudEvent({ id, source: '/shop', type: 'Catalogue Requested', userid, data: { catalogue: '総合カタログ', count: 3 } })
await emitterFor(httpTransport(address), { mode: Mode.BINARY })(event('binary'))
await emitterFor(httpTransport(address), { mode: Mode.STRUCTURED })(event('structured'))
const batch = [event('batched-1'), event('batched-2')].map((one) => JSON.parse(HTTP.structured(one).body))
const answer = await fetch(address, {
  method: 'POST',
  headers: { 'content-type': 'application/cloudevents-batch+json' },
  body: JSON.stringify(batch),
})
if (answer.status !== 200) throw new Error(await answer.text())
