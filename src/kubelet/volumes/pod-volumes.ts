import { chmod, chown, mkdir, readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Container, Pod, Volume } from '../../api/generated/types.ts'
import type { Mount } from '../../cri/runtime.ts'
import type { Clock } from '../../host/clock.ts'
import { type Exec, mustRun } from '../../host/exec.ts'
import type { Random } from '../../host/random.ts'
import { errorText } from '../../machinery/error-text.ts'
import { quantityNumber } from '../../machinery/quantity.ts'
import { ConfigError } from '../env/environment.ts'
import { expand } from '../env/expand.ts'
import { writeAtomically } from './atomic-writer.ts'
import { checkHostPath } from './host-path.ts'
import { mountsUnder, removeWithMounts } from './mounts-under.ts'
import { type PayloadSources, payloadOf, VolumeError } from './payload.ts'

export interface VolumeDeps {
  readonly exec: Exec
  readonly clock: Clock
  readonly random: Random
  /** Holds `pods/<uid>/volumes/<plugin>/<name>`, laid out as upstream's kubelet does. */
  readonly rootDir: string
}

/** `<root>/pods/<uid>`: all that a pod has on the node's disk, logs aside. */
export function podFolder(rootDir: string, podUid: string): string {
  return join(rootDir, 'pods', podUid)
}

function pluginOf(volume: Volume): string | undefined {
  if (volume.emptyDir) return 'kubernetes.io~empty-dir'
  if (volume.configMap) return 'kubernetes.io~configmap'
  if (volume.secret) return 'kubernetes.io~secret'
  if (volume.downwardAPI) return 'kubernetes.io~downward-api'
  if (volume.projected) return 'kubernetes.io~projected'
  return undefined
}

/** Where a volume lies on the host. */
export function volumePath(rootDir: string, pod: Pod, volume: Volume): string {
  if (volume.hostPath) return volume.hostPath.path
  const plugin = pluginOf(volume)
  if (!plugin) throw new VolumeError(`volume type ${Object.keys(volume).find((key) => key !== 'name') ?? 'unknown'} is not supported`)
  return join(podFolder(rootDir, pod.metadata.uid), 'volumes', plugin, volume.name)
}

/** Sets up all volumes of a pod, or brings their files up to date; doing it again changes nothing. Throws {@link VolumeError} for the first that fails. */
export async function setUpVolumes(pod: Pod, sources: PayloadSources, deps: VolumeDeps): Promise<void> {
  await mkdir(podFolder(deps.rootDir, pod.metadata.uid), { recursive: true, mode: 0o750 })
  for (const volume of pod.spec.volumes ?? []) {
    try {
      await setUp(pod, volume, sources, deps)
    } catch (error) {
      throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${errorText(error)}`, { cause: error })
    }
  }
}

async function setUp(pod: Pod, volume: Volume, sources: PayloadSources, deps: VolumeDeps): Promise<void> {
  if (volume.hostPath) return checkHostPath(volume.hostPath)
  const path = volumePath(deps.rootDir, pod, volume)
  const gid = pod.spec.securityContext?.fsGroup
  if (volume.emptyDir) return setUpEmptyDir(path, volume.emptyDir, gid, deps)
  const payload = await payloadOf(pod, volume, sources)
  if (!payload) throw new VolumeError('volume has no source')
  const stamp = `${new Date(deps.clock.now()).toISOString().replace(/[-:TZ]/g, '_')}${deps.random.uuid().slice(0, 8)}`
  await writeAtomically(path, payload, { stamp, gid })
}

async function setUpEmptyDir(
  path: string,
  { medium = '', sizeLimit }: { medium?: string; sizeLimit?: string },
  gid: number | undefined,
  { exec }: VolumeDeps,
): Promise<void> {
  if (medium !== '' && medium !== 'Memory') throw new VolumeError(`emptyDir medium ${JSON.stringify(medium)} is not supported`)
  const fresh = (await mkdir(path, { recursive: true })) !== undefined
  if (medium === 'Memory' && !mountsUnder(path, await readFile('/proc/self/mountinfo', 'utf8')).includes(path)) {
    const size = sizeLimit === undefined ? [] : ['-o', `size=${Math.floor(quantityNumber(sizeLimit))}`]
    await mustRun(exec, 'mount', ['-t', 'tmpfs', ...size, 'tmpfs', path])
  }
  if (!fresh) return
  if (gid !== undefined) await chown(path, 0, gid)
  await chmod(path, gid === undefined ? 0o777 : 0o2777)
}

/** Takes down all that a pod has on disk. */
export async function tearDownPod(podUid: string, { exec, rootDir }: VolumeDeps): Promise<void> {
  await removeWithMounts(podFolder(rootDir, podUid), exec)
}

/** The pods that have a folder here, running or not. */
export async function podsWithFolders(rootDir: string): Promise<string[]> {
  return readdir(join(rootDir, 'pods')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

/** The mounts of a container. Throws {@link ConfigError} for a subPath that leaves its volume. */
export async function mountsOf(pod: Pod, container: Container, env: ReadonlyMap<string, string>, rootDir: string): Promise<Mount[]> {
  const mounts: Mount[] = []
  for (const mount of container.volumeMounts ?? []) {
    const volume = pod.spec.volumes?.find(({ name }) => name === mount.name)
    if (!volume) throw new ConfigError(`volume ${JSON.stringify(mount.name)} of container ${container.name} does not exist`)
    const root = volumePath(rootDir, pod, volume)
    const subPath = mount.subPathExpr ? expandedSubPath(mount.subPathExpr, env) : mount.subPath
    mounts.push({
      containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
      hostPath: subPath ? await insideVolume(root, subPath, mount.name) : root,
      readonly: (mount.readOnly ?? false) || pluginIsReadOnly(volume),
      propagation:
        mount.mountPropagation === 'Bidirectional'
          ? 'bidirectional'
          : mount.mountPropagation === 'HostToContainer'
            ? 'host-to-container'
            : 'private',
    })
  }
  return mounts
}

/** Throws {@link ConfigError} where a variable is not there: its name would become a folder's. */
function expandedSubPath(subPathExpr: string, env: ReadonlyMap<string, string>): string {
  return expand(subPathExpr, (name) => {
    const value = env.get(name)
    if (value === undefined)
      throw new ConfigError(`failed to expand subPathExpr ${JSON.stringify(subPathExpr)}: missing value for "${name}"`)
    return value
  })
}

/** Files that follow API objects are not the container's to write. */
function pluginIsReadOnly({ configMap, secret, downwardAPI, projected }: Volume): boolean {
  return Boolean(configMap ?? secret ?? downwardAPI ?? projected)
}

/** The real path of a subPath, made as a folder where nothing is there; links must not lead out of the volume. */
async function insideVolume(root: string, subPath: string, volume: string): Promise<string> {
  const wanted = join(root, subPath)
  if (subPath.startsWith('/') || subPath.split('/').includes('..'))
    throw new ConfigError(`failed to prepare subPath for volumeMount ${JSON.stringify(volume)}: must stay inside the volume`)
  const realRoot = await realpath(root)
  let existing = wanted
  while (!(await exists(existing))) existing = join(existing, '..')
  const real = await realpath(existing)
  if (real !== realRoot && !real.startsWith(realRoot + sep))
    throw new ConfigError(`failed to prepare subPath for volumeMount ${JSON.stringify(volume)}: subPath ${subPath} leads out of the volume`)
  if (existing !== wanted) await mkdir(wanted, { recursive: true, mode: 0o755 })
  return realpath(wanted)
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
