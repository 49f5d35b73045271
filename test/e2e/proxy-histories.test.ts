import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { mustRun, systemExec } from '../../src/host/exec.ts'
import { silentLog } from '../../src/host/log.ts'
import type { NftKernel } from '../../src/netfilter/nftables/kernel.ts'
import { openNftables } from '../../src/netfilter/nftables/open-nftables.ts'
import { removeTable } from '../../src/netfilter/nftables/transaction.ts'
import { NftablesRules } from '../../src/proxy/nftables/nftables-rules.ts'
import { tableName } from '../../src/proxy/nftables/set-names.ts'
import { meaningOfTable } from '../../src/proxy/nftables/testing/meaning.ts'
import { ServiceTable } from '../../src/proxy/service-table.ts'
import { historyArbitrary, replay } from '../../src/proxy/testing/histories.ts'
import { world } from '../../src/proxy/testing/scenes.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

const namespace = `okh${process.pid.toString(36)}`

/** What the fake is asked many times, the real kernel is asked a few. */
describe.skipIf(!root)('histories in the real kernel', () => {
  const open = openNftables({ exec: systemExec, clock: systemClock, namespace: `/run/netns/${namespace}` })
  const kernels: NftKernel[] = []
  const kernel = (): NftKernel => {
    const opened = open()
    if (!opened) throw new Error('no nftables here')
    kernels.push(opened)
    return opened
  }
  const programming = (tag: string) => {
    const table = new ServiceTable({ node: () => ({ name: world.node, zone: undefined }), family: 'IPv4' })
    const rules = new NftablesRules({
      family: 'IPv4',
      podTraffic: { by: 'source', cidr: world.podCidr },
      masqueradeAll: false,
      masqueradeBit: 14,
      nodePortAddresses: [world.nodeAddress],
      localhostNodePorts: false,
      dropsInvalid: true,
      serviceCidrs: [world.serviceCidr],
      node: world.node,
      tag,
      kernel: kernel(),
      exec: systemExec,
      log: silentLog,
      routeLocalnetWas: undefined,
      onChangedByOthers: () => undefined,
    })
    return { table, rules }
  }

  beforeAll(async () => {
    await mustRun(systemExec, 'ip', ['netns', 'add', namespace])
  })
  afterAll(async () => {
    for (const each of kernels) each.close()
    await systemExec.run('ip', ['netns', 'del', namespace])
  })

  test('any history of changes leaves the same as one full load', async () => {
    const reader = kernel()
    const meaning = async (tag: string): Promise<unknown> => {
      const held = await reader.read('ip', tableName(tag))
      return held && meaningOfTable(held)
    }
    await fc.assert(
      fc.asyncProperty(historyArbitrary, async (history) => {
        const step = programming('a')
        const end = await replay(history, async ({ name, service, slices }) => {
          step.rules.update(name, step.table.update(name, service, slices).ports)
          await step.rules.apply()
        })
        const full = programming('b')
        for (const service of end.services) {
          const own = end.slices.filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name)
          full.rules.update(service.metadata.name, full.table.update(service.metadata.name, service, own).ports)
        }
        await full.rules.apply()
        for (let i = 0; i < 2; i++) expect(await step.rules.repair()).toBe(false)
        expect(await meaning('a')).toEqual(await meaning('b'))
        expect(await step.rules.repair()).toBe(false)
        for (const tag of ['a', 'b']) await reader.apply(removeTable('ip', tableName(tag)))
      }),
      { numRuns: 25 },
    )
  })
})
