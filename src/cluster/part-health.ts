import type { Lease } from '../api/generated/types.ts'
import { leases } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../host/clock.ts'
import { isNotFound } from '../machinery/status.ts'

/** Whether a part of the control plane does its work, here or in another server that shares the store. */
export class PartHealth {
  /** Also of its Lease. */
  readonly #name: string
  #state: 'off' | 'starting' | 'running' = 'off'
  #fault: unknown

  constructor(name: string) {
    this.#name = name
  }

  /** Runs `start`, which resolves when the part works; it does until the signal, unless `failed` is called. */
  async started(signal: AbortSignal, start: (failed: (error: unknown) => void) => Promise<void>): Promise<void> {
    this.#state = 'starting'
    this.#fault = undefined
    signal.addEventListener('abort', () => {
      this.#state = 'off'
    })
    await start((error) => {
      this.#fault = error
    })
    if (!signal.aborted) this.#state = 'running'
  }

  /** Rejects with the reason where it does not work. `elects`: one of several servers runs it, as its Lease says. */
  async probe({ client, clock, elects }: { client: Client; clock: Clock; elects: boolean }): Promise<void> {
    if (this.#fault !== undefined) throw new Error(`a part of it has stopped: ${(this.#fault as Error).message}`)
    if (this.#state === 'running') return
    if (this.#state === 'starting') throw new Error('it is starting')
    if (!elects) throw new Error('it does not run')
    await requireRenewed(client, this.#name, clock.now())
  }
}

async function requireRenewed(client: Client, name: string, nowMs: number): Promise<void> {
  const lease = await client
    .resource<Lease>(leases, 'kube-system')
    .get(name)
    .catch((error: unknown) => {
      if (isNotFound(error)) throw new Error('no server leads it')
      throw error
    })
  const { holderIdentity, renewTime, leaseDurationSeconds = 0 } = lease.spec ?? {}
  if (!holderIdentity) throw new Error('no server leads it')
  const ageMs = nowMs - Date.parse(renewTime ?? '')
  if (!(ageMs <= leaseDurationSeconds * 1000))
    throw new Error(`${holderIdentity} leads it, and has not been heard of for ${Math.round(ageMs / 1000)}s`)
}
