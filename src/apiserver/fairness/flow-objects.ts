import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.ts'
import type { Kind } from '../../api/kind.ts'
import { flowSchemas, priorityLevelConfigurations } from '../../api/registry.ts'
import { type Clock, timestamp } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { deepEqual } from '../../machinery/equality.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { byServer, unlessMeanwhile } from '../by-server.ts'
import type { WatchCache } from '../watch-cache.ts'
import type { Writes } from '../writes.ts'
import { autoUpdateAnnotation, mandatoryLevels, mandatorySchemas, suggestedLevels, suggestedSchemas } from './bootstrap-objects.ts'
import { withDangling } from './flow-config.ts'

interface Deps {
  readonly writes: Writes
  readonly cache: WatchCache
  readonly clock: Clock
  readonly log: Log
}

type FlowObject = (FlowSchema | PriorityLevelConfiguration) & KubeObject

const schemaKind = flowSchemas as unknown as Kind
const levelKind = priorityLevelConfigurations as unknown as Kind
/** As upstream. */
const everyMs = 60_000
const manager = 'api-priority-and-fairness-config-producer-v1'

interface Wanted {
  readonly kind: Kind
  readonly object: FlowObject
  readonly mandatory: boolean
}

const wanted: readonly Wanted[] = [
  ...[mandatoryLevels, suggestedLevels].flatMap((list, i) => list.map((object) => ({ kind: levelKind, object, mandatory: i === 0 }))),
  ...[mandatorySchemas, suggestedSchemas].flatMap((list, i) => list.map((object) => ({ kind: schemaKind, object, mandatory: i === 0 }))),
] as unknown as Wanted[]

/**
 * What a stored object is to become; undefined: it is right. An administrator's own version of a suggested one stays, and is
 * marked so; one that nobody has touched follows the server's version.
 */
export function kept(current: FlowObject, { object, mandatory, kind }: Wanted): FlowObject | undefined {
  const said = current.metadata.annotations?.[autoUpdateAnnotation]
  const follows = mandatory || (said === 'true' || said === 'false' ? said === 'true' : current.metadata.generation === 1)
  const spec = follows ? specFor(current, object, kind) : current.spec
  if (said === String(follows) && deepEqual(spec, current.spec)) return undefined
  const annotations = { ...current.metadata.annotations, [autoUpdateAnnotation]: String(follows) }
  return { ...current, metadata: { ...current.metadata, annotations }, spec } as FlowObject
}

function specFor(current: FlowObject, { metadata, spec }: FlowObject, kind: Kind): FlowObject['spec'] {
  const whole = structuredClone({ metadata, spec }) as unknown as KubeObject
  kind.setDefaults(whole)
  const wantedSpec = (whole as FlowObject).spec
  // How much the exempt level lends is an administrator's to say.
  const exempt = kind === levelKind && metadata.name === 'exempt' ? (current as PriorityLevelConfiguration).spec?.exempt : undefined
  return exempt ? ({ ...wantedSpec, exempt } as FlowObject['spec']) : wantedSpec
}

/** Makes and keeps the FlowSchemas and PriorityLevelConfigurations of upstream, and says of each schema whether its level is there. */
export class FlowObjects {
  readonly #deps: Deps
  #cancel: () => void = () => {}
  #last: Promise<void> = Promise.resolve()
  #due = false
  #closed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Resolves once they are all there. */
  async begin(): Promise<void> {
    await this.#keep()
    await this.#tell()
    for (const kind of [schemaKind, levelKind]) this.#deps.cache.kind(kind).onChange(() => this.#soon(() => this.#tell()))
    this.#schedule()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel()
    await this.#last
  }

  #schedule(): void {
    this.#cancel = this.#deps.clock.after(everyMs, () => {
      this.#run(() => this.#keep())
      this.#schedule()
    })
  }

  /** Once for all changes of one moment. */
  #soon(work: () => Promise<void>): void {
    if (this.#due) return
    this.#due = true
    this.#run(async () => {
      this.#due = false
      await work()
    })
  }

  #run(work: () => Promise<void>): void {
    if (this.#closed) return
    this.#last = this.#last.then(work).catch((error: unknown) => {
      if (!this.#closed) this.#deps.log.warn('cannot keep FlowSchemas and PriorityLevelConfigurations', { error })
    })
  }

  async #keep(): Promise<void> {
    await this.#deps.cache.fresh()
    await Promise.all(wanted.map((one) => this.#keepOne(one)))
    await this.#removeFormer()
  }

  async #keepOne(one: Wanted): Promise<void> {
    const { cache, writes } = this.#deps
    const { kind, object } = one
    const { name } = object.metadata
    const by = { ...byServer, manager }
    const found = cache.kind(kind).get(undefined, name)
    if (!found) {
      const metadata = { name, annotations: { [autoUpdateAnnotation]: 'true' } }
      const made = structuredClone({ metadata, spec: object.spec }) as unknown as KubeObject
      return unlessMeanwhile(writes.create(kind, undefined, made, by))
    }
    if (!kept(found.object as FlowObject, one)) return
    const change = (current: { copy(): KubeObject }): KubeObject => kept(current.copy() as FlowObject, one) ?? current.copy()
    await unlessMeanwhile(writes.update({ kind, namespace: undefined, name }, { ...by, subresource: undefined }, change))
  }

  /** What a server of another version suggested, if nobody has made it his own. */
  async #removeFormer(): Promise<void> {
    const { cache, writes } = this.#deps
    for (const kind of [schemaKind, levelKind]) {
      const names = new Set(wanted.filter((one) => one.kind === kind).map(({ object }) => object.metadata.name))
      const former = cache
        .kind(kind)
        .list(undefined)
        .filter(({ name, object }) => !names.has(name) && object.metadata.annotations?.[autoUpdateAnnotation] === 'true')
      for (const { name, object } of former) {
        const request = {
          user: byServer.user,
          dryRun: false,
          gracePeriodSeconds: undefined,
          propagation: undefined,
          resourceVersion: undefined,
        }
        await unlessMeanwhile(writes.delete({ kind, namespace: undefined, name }, { ...request, uid: object.metadata.uid }))
      }
    }
  }

  async #tell(): Promise<void> {
    const { cache, writes, clock } = this.#deps
    await cache.fresh()
    const levels = new Set(
      cache
        .kind(levelKind)
        .list(undefined)
        .map(({ name }) => name),
    )
    const told = (schema: KubeObject): FlowSchema | undefined => withDangling(schema as FlowSchema, levels, timestamp(clock.now()))
    const untold = cache
      .kind(schemaKind)
      .list(undefined)
      .filter(({ object }) => told(object) !== undefined)
    const by = { ...byServer, manager: 'api-priority-and-fairness-config-consumer-v1', subresource: 'status' as const }
    const tell = (name: string): Promise<unknown> =>
      writes.update({ kind: schemaKind, namespace: undefined, name }, by, (current) => told(current.copy()) ?? current.copy())
    await Promise.all(untold.map(({ name }) => unlessMeanwhile(tell(name))))
  }
}
