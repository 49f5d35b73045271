import type { Lease, Node } from '../../api/generated/types.ts'
import { leases } from '../../api/registry.ts'
import type { Client } from '../../client/client.ts'
import { type Clock, microTimestamp } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { errorText } from '../../machinery/error-text.ts'
import { isConflict, isNotFound } from '../../machinery/status.ts'

const renewMs = 10_000
const leaseDurationSeconds = 40

/** Renews the node's lease, by which the control plane knows that it lives, until the signal ends it. */
export async function renewLease(options: {
  client: Client
  clock: Clock
  log: Log
  signal: AbortSignal
  nodeName: string
  node: () => Node | undefined
}): Promise<void> {
  const { client, clock, log, signal, nodeName, node } = options
  const api = client.resource<Lease>(leases, 'kube-node-lease')
  let held: Lease | undefined
  while (!signal.aborted) {
    let waitMs = renewMs
    try {
      held = await renew()
    } catch (error) {
      if (signal.aborted) return
      if (isConflict(error) || isNotFound(error)) held = undefined
      else log.warn('lease not renewed', { reason: errorText(error) })
      waitMs = 1000
    }
    await clock.sleep(waitMs, signal).catch(() => undefined) // aborted: the loop's condition sees it
  }

  async function renew(): Promise<Lease> {
    const spec = { holderIdentity: nodeName, leaseDurationSeconds, renewTime: microTimestamp(clock.now()) }
    const lease = held ?? (await existing())
    if (lease) return api.update({ ...lease, spec: { ...lease.spec, ...spec } })
    const owner = node()
    const ownerReferences = owner ? [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: owner.metadata.uid }] : []
    return api.create({ metadata: { name: nodeName, namespace: 'kube-node-lease', ownerReferences }, spec })
  }

  async function existing(): Promise<Lease | undefined> {
    try {
      return await api.get(nodeName)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}
