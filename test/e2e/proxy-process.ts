/** The proxy of the scenes in this process's network namespace, by temper (`restless`: changes Services of its own all the time) and family. */
import { systemClock } from '../../src/host/clock.ts'
import { systemExec } from '../../src/host/exec.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { openConntrack } from '../../src/netfilter/conntrack/open-conntrack.ts'
import { openNftables } from '../../src/netfilter/nftables/open-nftables.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import type { AddressFamily } from '../../src/proxy/service-port.ts'
import { type PodName, service, services, slice, slices, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { families, familyOn, type TestedFamily } from './proxy-back-ends.ts'

const api = new TableApi()
const [, , temper, family = 'IPv4'] = process.argv as [string, string, string, AddressFamily?]
const { twin } = families.find((each) => each.family === family) as TestedFamily
for (const object of [...services, ...slices]) api.put(twin(object))
await startProxy({
  client: api,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  exec: systemExec,
  openNftables: openNftables({ exec: systemExec, clock: systemClock }),
  conntrack: openConntrack({ exec: systemExec, clock: systemClock }),
  signal: new AbortController().signal,
  nodeName: world.node,
  mode: 'nftables',
  families: [familyOn[family]],
  chainTag: '',
  checkIntervalMs: 500,
})
const pods = Object.keys(world.pods) as PodName[]
for (let i = 0; temper === 'restless'; i++) {
  const name = `restless-${i % 50}`
  api.put(twin(service(name, `10.96.7.${i % 50}`, [{}])))
  api.put(twin(slice(name, pods.slice(i % 4))))
  if (i === 100) console.log('up')
  await systemClock.sleep(1)
}
console.log('up')
