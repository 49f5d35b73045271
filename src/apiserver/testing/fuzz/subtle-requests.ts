import { resourcePath } from '../../../machinery/group-version.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import type { Dice } from './dice.ts'
import type { HostileRequest, Sample } from './hostile-requests.ts'
import { bent, mutated } from './hostile-values.ts'

/**
 * The administrator's, well formed, about objects that are only a little odd: most often the API must take them, and it is those who work
 * on what is stored that meet them.
 */
export function subtleRequest(samples: readonly Sample[], dice: Dice): HostileRequest {
  const sample = dice.one(samples)
  const { kind } = sample
  const name = dice.percent(65) ? nameOf(sample) : dice.one(names)
  const collection = resourcePath(kind, kind.namespaced ? 'default' : undefined)
  const path = `${collection}/${name}`
  return dice.weighted<() => HostileRequest>([
    [40, () => request('POST', collection, oddObject(sample, dice.one(names), dice))],
    [20, () => request('PUT', path, oddObject(sample, name, dice))],
    [25, () => request('PUT', `${path}/status`, oddStatus(sample, name, dice))],
    [5, () => request('PATCH', path, { metadata: oddMetadata(dice) }, 'application/merge-patch+json')],
    [10, () => request('DELETE', `${path}?propagationPolicy=${dice.one(['Background', 'Foreground', 'Orphan'])}`)],
  ])()
}

const names = ['a', 'b', 'c', 'd', 'e', 'default']
const nameOf = ({ object }: Sample): string => (object as KubeObject).metadata.name

function request(method: string, target: string, body?: object, contentType = 'application/json'): HostileRequest {
  return {
    sender: 'administrator',
    method,
    target,
    headers: body === undefined ? [] : [['Content-Type', contentType]],
    body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
  }
}

/** Odd behind its metadata, of which only some is. */
function oddObject({ object }: Sample, name: string, dice: Dice): object {
  const { apiVersion, kind, metadata, ...rest } = object as KubeObject
  const odd = (dice.percent(70) ? bent : mutated)(rest, 1 + dice.few(3), dice) as object
  return { ...odd, apiVersion, kind, metadata: { ...metadata, name, ...(dice.percent(20) ? oddMetadata(dice) : {}) } }
}

function oddStatus({ object, filled }: Sample, name: string, dice: Dice): object {
  const { apiVersion, kind, metadata, ...rest } = object as KubeObject
  const { status } = (filled ?? object) as { status?: object }
  return {
    ...rest,
    apiVersion,
    kind,
    metadata: { ...metadata, name },
    status: (dice.percent(70) ? bent : mutated)(status ?? {}, dice.few(4), dice),
  }
}

/** What controllers go by. */
function oddMetadata(dice: Dice): object {
  const owner = {
    apiVersion: dice.one(['v1', 'apps/v1', 'x/v1']),
    kind: dice.one(['Pod', 'ReplicaSet', 'X']),
    name: dice.one(names),
    uid: 'x',
  }
  return dice.one<() => object>([
    () => ({ ownerReferences: dice.percent(50) ? [owner] : [{ ...owner, controller: true, blockOwnerDeletion: true }] }),
    () => ({ finalizers: [dice.one(['foregroundDeletion', 'orphan', 'x/y', 'kubernetes.io/pvc-protection'])] }),
    () => ({ labels: mutated({ app: 'web', 'kubernetes.io/service-name': 'one', 'pod-template-hash': 'x' }, 1, dice) }),
    () => ({
      annotations: mutated({ 'deployment.kubernetes.io/revision': '1', 'kubectl.kubernetes.io/restartedAt': 'x', a: 'b' }, 1, dice),
    }),
  ])()
}
