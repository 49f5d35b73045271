import type { ComponentStatus } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { componentStatuses } from '../api/registry.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import { notFound } from '../machinery/status.ts'
import { CachedObject, encodeValue } from './cached-object.ts'
import { storageKey } from './kind-cache.ts'
import type { ReadOptions } from './request-options.ts'
import { selectionOf } from './selection.ts'

/** Resolves if the component does its work; rejects with the reason if not. */
export type Probe = () => Promise<void>

export const componentStatusKind = componentStatuses as unknown as Kind

/** What is asked of the components when somebody wants to know: nothing is stored. */
export class ComponentStatuses {
  readonly #probes: ReadonlyMap<string, Probe>

  /** By the component's name, such as `scheduler`. */
  constructor(probes: ReadonlyMap<string, Probe>) {
    this.#probes = probes
  }

  async get(name: string): Promise<KubeObject> {
    const probe = this.#probes.get(name)
    if (!probe) throw notFound(componentStatusKind, name)
    return statusOf(name, probe)
  }

  async list({ labelSelector, fieldSelector }: Pick<ReadOptions, 'labelSelector' | 'fieldSelector'>): Promise<KubeObject[]> {
    const { selects } = selectionOf(componentStatusKind, labelSelector, fieldSelector)
    const all = await Promise.all([...this.#probes].map(([name, probe]) => statusOf(name, probe)))
    return selects ? all.filter((object) => selects(selectable(object))) : all
  }
}

async function statusOf(name: string, probe: Probe): Promise<KubeObject> {
  const condition = await probe().then(
    () => ({ type: 'Healthy', status: 'True', message: 'ok' }),
    (error: unknown) => ({ type: 'Healthy', status: 'False', message: error instanceof Error ? error.message : String(error) }),
  )
  const { kind } = componentStatuses
  const status: Partial<ComponentStatus> = { apiVersion: apiVersionOf(componentStatuses), kind, conditions: [condition] }
  return { ...status, metadata: { name } } as KubeObject
}

/** As selectors see an object. */
function selectable(object: KubeObject): CachedObject {
  const { name } = object.metadata
  return new CachedObject(storageKey(componentStatusKind, undefined, name), { namespace: '', name }, encodeValue(object), 0)
}
