import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, Volume, VolumeProjection } from '../../api/generated/types.ts'
import type { ReferencedObjects } from '../env/environment.ts'
import { fieldText, type NodeFacts, resourceText } from '../env/field-ref.ts'
import { namespaceOf } from '../labels.ts'
import type { Payload } from './atomic-writer.ts'

/** Why a volume cannot be set up now, in upstream's words. */
export class VolumeError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'VolumeError'
  }
}

export interface PayloadSources {
  readonly objects: ReferencedObjects
  readonly facts: NodeFacts
  /** A token for the pod's service account, bound to the pod. */
  token(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string>
}

type Files = Map<string, { data: Uint8Array; mode: number }>

/** The files of a configMap, secret, downwardAPI or projected volume; undefined for other volumes. */
export async function payloadOf(pod: Pod, volume: Volume, sources: PayloadSources): Promise<Payload | undefined> {
  const { configMap, secret, downwardAPI, projected } = volume
  const files: Files = new Map()
  if (configMap) await add({ configMap }, configMap.defaultMode)
  else if (secret) {
    const { secretName, items, optional } = secret
    await add({ secret: { name: secretName ?? '', ...(items ? { items } : {}), ...(optional ? { optional } : {}) } }, secret.defaultMode)
  } else if (downwardAPI) await add({ downwardAPI }, downwardAPI.defaultMode)
  else if (projected) for (const source of projected.sources ?? []) await add(source, projected.defaultMode)
  else return undefined
  return files

  async function add(source: VolumeProjection, mode: number | undefined): Promise<void> {
    await project(pod, source, mode ?? 0o644, sources, files)
  }
}

async function project(pod: Pod, source: VolumeProjection, mode: number, sources: PayloadSources, files: Files): Promise<void> {
  const namespace = namespaceOf(pod)
  if (source.configMap) {
    const { name = '', items, optional = false } = source.configMap
    const map = await sources.objects.configMap(namespace, name)
    if (!map && !optional) throw new VolumeError(`configmap "${name}" not found`)
    pick(files, configMapEntries(map), { items, optional, mode, what: 'configmap' })
  } else if (source.secret) {
    const { name = '', items, optional = false } = source.secret
    const secret = await sources.objects.secret(namespace, name)
    if (!secret && !optional) throw new VolumeError(`secret "${name}" not found`)
    pick(files, secretEntries(secret), { items, optional, mode, what: 'secret' })
  } else if (source.downwardAPI) {
    for (const item of source.downwardAPI.items ?? []) {
      files.set(item.path, { data: Buffer.from(downwardText(pod, item, sources.facts)), mode: item.mode ?? mode })
    }
  } else if (source.serviceAccountToken) {
    const { audience, expirationSeconds = 3600, path } = source.serviceAccountToken
    const token = await sources.token(pod, audience, expirationSeconds)
    // A container that runs as somebody else must still read its token.
    files.set(path, { data: Buffer.from(token), mode: runsAsRoot(pod) && pod.spec.securityContext?.fsGroup === undefined ? 0o600 : 0o644 })
  } else throw new VolumeError(`projected volume source ${Object.keys(source).join(', ')} is not supported`)
}

function runsAsRoot(pod: Pod): boolean {
  const users = pod.spec.containers.map(({ securityContext }) => securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser)
  return users.every((user) => user === 0)
}

function configMapEntries(map: ConfigMap | undefined): Map<string, Uint8Array> {
  return new Map([
    ...Object.entries(map?.data ?? {}).map(([key, text]): [string, Uint8Array] => [key, Buffer.from(text)]),
    ...Object.entries(map?.binaryData ?? {}).map(([key, text]): [string, Uint8Array] => [key, Buffer.from(text, 'base64')]),
  ])
}

function secretEntries(secret: Secret | undefined): Map<string, Uint8Array> {
  return new Map(Object.entries(secret?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')]))
}

interface Picking {
  items: readonly KeyToPath[] | undefined
  optional: boolean
  mode: number
  what: string
}

function pick(files: Files, entries: ReadonlyMap<string, Uint8Array>, { items, optional, mode, what }: Picking): void {
  if (!items || items.length === 0) {
    for (const [key, data] of entries) files.set(key, { data, mode })
    return
  }
  for (const item of items) {
    const data = entries.get(item.key)
    if (data) files.set(item.path, { data, mode: item.mode ?? mode })
    else if (!optional) throw new VolumeError(`${what} references non-existent ${what === 'secret' ? 'secret' : 'config'} key: ${item.key}`)
  }
}

function downwardText(pod: Pod, item: DownwardAPIVolumeFile, facts: NodeFacts): string {
  if (item.fieldRef) return fieldText(pod, item.fieldRef.fieldPath, facts)
  const { containerName } = item.resourceFieldRef ?? {}
  const container = pod.spec.containers.find(({ name }) => name === containerName)
  if (!item.resourceFieldRef || !container) throw new VolumeError(`downwardAPI item ${item.path}: container ${containerName} not found`)
  return resourceText(container, item.resourceFieldRef, facts)
}
