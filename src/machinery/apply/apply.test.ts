import { describe, expect, it } from 'vitest'
import { schemaOf } from '../../api/schema.ts'
import type { KubeObject } from '../object.ts'
import type { StatusError } from '../status.ts'
import { applyConfiguration } from './apply.ts'
import { fieldsOf, fromFieldsV1, toFieldsV1 } from './field-set.ts'
import { managedFieldsAfterUpdate } from './managed-fields.ts'

const schema = schemaOf('Deployment')
type Spec = Record<string, unknown>
type Object_ = KubeObject & { spec: Spec }

const object = (spec: Spec, labels?: Record<string, string>): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', ...(labels ? { labels } : {}) },
  spec,
})
const withContainers = (...containers: object[]): Spec => ({ template: { spec: { containers } } })

function apply(live: Object_ | undefined, applied: object, options: { as?: string; force?: boolean; time?: string } = {}): Object_ {
  const { as = 'ci', force = false, time = 't1' } = options
  return applyConfiguration({ schema, live, applied, manager: as, force, apiVersion: 'apps/v1', subresource: '', time }) as Object_
}

function update(live: Object_, next: object, as: string, time = 't2'): Object_ {
  const managedFields = managedFieldsAfterUpdate({
    schema,
    previous: live,
    next,
    entries: live.metadata.managedFields,
    manager: as,
    apiVersion: 'apps/v1',
    subresource: '',
    time,
  })
  return { ...(next as Object_), metadata: { ...(next as Object_).metadata, managedFields } }
}

function refusal(act: () => unknown): StatusError {
  try {
    act()
  } catch (error) {
    return error as StatusError
  }
  throw new Error('it was accepted')
}

const owner = (live: Object_, manager: string): unknown => live.metadata.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1

describe('server-side apply', () => {
  it('owns what it names', () => {
    const live = apply(
      undefined,
      object({ replicas: 2, ...withContainers({ name: 'a', image: 'a:1', ports: [{ containerPort: 80 }] }) }, { app: 'web' }),
    )
    expect(live.metadata.managedFields).toEqual([
      {
        manager: 'ci',
        operation: 'Apply',
        apiVersion: 'apps/v1',
        time: 't1',
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { 'f:app': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:template': {
              'f:spec': {
                'f:containers': {
                  'k:{"name":"a"}': {
                    '.': {},
                    'f:name': {},
                    'f:image': {},
                    'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
                  },
                },
              },
            },
          },
        },
      },
    ])
  })

  it('keeps what others set, and takes out what it applied before and now leaves out', () => {
    let live = apply(
      undefined,
      object({ replicas: 2, paused: true, ...withContainers({ name: 'a', image: 'a:1' }, { name: 'b', image: 'b:1' }) }, { app: 'web' }),
    )
    live = update(live, { ...live, spec: { ...live.spec, minReadySeconds: 5 } }, 'kubectl-edit')
    live = apply(live, object({ replicas: 3, ...withContainers({ name: 'a', image: 'a:2' }) }))
    expect(live.spec).toEqual({ replicas: 3, minReadySeconds: 5, ...withContainers({ name: 'a', image: 'a:2' }) })
    expect(live.metadata.labels).toBeUndefined()
    expect(owner(live, 'kubectl-edit')).toEqual({ 'f:spec': { 'f:minReadySeconds': {} } })
  })

  it('keeps an item of which another manager owns a part, with its key', () => {
    let live = apply(undefined, object(withContainers({ name: 'a', image: 'a:1' }, { name: 'b', image: 'b:1' })))
    live = apply(live, object(withContainers({ name: 'a', workingDir: '/x' })), { as: 'other' })
    live = apply(live, object(withContainers({ name: 'b', image: 'b:1' })))
    expect(live.spec).toEqual(withContainers({ name: 'a', workingDir: '/x' }, { name: 'b', image: 'b:1' }))
  })

  it('leaves a field that another manager owns as well', () => {
    let live = apply(undefined, object({ replicas: 2, paused: true }))
    live = apply(live, object({ replicas: 2 }), { as: 'other' })
    live = apply(live, object({ paused: true }))
    expect(live.spec).toEqual({ replicas: 2, paused: true })
    expect(owner(live, 'ci')).toEqual({ 'f:spec': { 'f:paused': {} } })
  })

  it('conflicts over another value, and names the field and its manager', () => {
    let live = apply(undefined, object({ replicas: 2, ...withContainers({ name: 'a', image: 'a:1' }) }))
    live = update(live, object({ replicas: 4, ...withContainers({ name: 'a', image: 'a:9' }) }), 'kubectl-edit', '2026-01-01T00:00:00Z')
    const one = refusal(() => apply(live, object({ replicas: 2 })))
    expect(one.code).toBe(409)
    expect(one.message).toBe(
      'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1 at 2026-01-01T00:00:00Z: .spec.replicas',
    )
    expect(one.status.details?.causes).toEqual([
      {
        reason: 'FieldManagerConflict',
        message: 'conflict with "kubectl-edit" using apps/v1 at 2026-01-01T00:00:00Z',
        field: '.spec.replicas',
      },
    ])
    const two = refusal(() => apply(live, object({ replicas: 2, ...withContainers({ name: 'a', image: 'a:1' }) })))
    expect(two.message).toContain('Apply failed with 2 conflicts: conflicts with "kubectl-edit"')
    expect(two.message).toContain('- .spec.template.spec.containers[name="a"].image')
  })

  it('takes over by force', () => {
    const first = apply(undefined, object({ replicas: 2 }), { as: 'other' })
    expect(refusal(() => apply(first, object({ replicas: 3 }))).message).toBe(
      'Apply failed with 1 conflict: conflict with "other": .spec.replicas',
    )
    const live = apply(first, object({ replicas: 3 }), { force: true })
    expect(live.spec).toEqual({ replicas: 3 })
    expect(live.metadata.managedFields?.map(({ manager }) => manager)).toEqual(['ci'])
  })

  it('takes over from client-side apply what nobody has changed since', () => {
    const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
    const configuration = object({ replicas: 2, minReadySeconds: 5 })
    const annotated = { ...configuration, metadata: { name: 'web', annotations: { [annotation]: JSON.stringify(configuration) } } }
    const live = update(object({}) as Object_, annotated, 'kubectl-client-side-apply')
    expect(refusal(() => apply(live, object({ replicas: 3 }))).message).toContain('"kubectl-client-side-apply" using apps/v1')
    const applied = apply(live, object({ replicas: 3 }), { as: 'kubectl' })
    expect(applied.spec).toEqual({ replicas: 3, minReadySeconds: 5 })
    expect(JSON.parse(applied.metadata.annotations?.[annotation] as string).spec).toEqual({ replicas: 3 })
    const scaled = update(live, { ...live, spec: { ...live.spec, replicas: 7 } }, 'scaler')
    expect(refusal(() => apply(scaled, object({ replicas: 3, minReadySeconds: 1 }), { as: 'kubectl' })).message).toBe(
      'Apply failed with 1 conflict: conflict with "scaler" using apps/v1 at t2: .spec.replicas',
    )
  })

  it('changes nothing when applied again', () => {
    const config = object({ replicas: 2, ...withContainers({ name: 'a', env: [{ name: 'X', value: '1' }] }) })
    const live = apply(undefined, config)
    expect(apply(live, config, { time: 'later' })).toEqual(live)
  })

  it('counts what was there before anybody kept count as somebody’s', () => {
    const live = object({ replicas: 2 }) as Object_
    expect(refusal(() => apply(live, object({ replicas: 3 }))).message).toContain('"before-first-apply" using apps/v1')
  })

  it('refuses managedFields in a configuration', () => {
    expect(refusal(() => apply(undefined, { metadata: { managedFields: [] } })).code).toBe(400)
  })
})

describe('managedFields of updates', () => {
  it('move what changed to who changed it, and forget what is gone', () => {
    const live = update(apply(undefined, object({ replicas: 2, paused: true })), object({ replicas: 5 }), 'scaler')
    expect(owner(live, 'scaler')).toEqual({ 'f:spec': { 'f:replicas': {} } })
    expect(owner(live, 'ci')).toBeUndefined()
  })
  it('stay as they are when nothing changes', () => {
    const live = apply(undefined, object({ replicas: 2 }))
    expect(update(live, object({ replicas: 2 }), 'x').metadata.managedFields).toEqual(live.metadata.managedFields)
  })
})

it('reads fieldsV1 as it writes them', () => {
  const fields = fieldsOf(
    schema,
    object({ replicas: 1, selector: { matchLabels: { a: 'b' } }, ...withContainers({ name: 'a' }) }, { x: 'y' }),
    { withParents: true },
  )
  expect([...fromFieldsV1(toFieldsV1(fields)).keys()].sort()).toEqual([...fields.keys()].sort())
  expect(toFieldsV1(fields)).toMatchObject({ 'f:metadata': { 'f:labels': { '.': {}, 'f:x': {} } }, 'f:spec': { 'f:selector': {} } })
})
