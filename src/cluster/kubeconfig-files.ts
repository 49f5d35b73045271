import { existsSync } from 'node:fs'
import { chown, mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { kubeconfigOf, mergeKubeconfig, removeFromKubeconfig } from '../client/kubeconfig.ts'
import type { Exec } from '../host/exec.ts'
import { readIfThere } from '../host/files.ts'
import type { ClusterCertificates } from './certificates.ts'
import { type ClusterConfig, defaultName } from './config.ts'
import { pathsOf } from './paths.ts'

/** `ownkube` for the default cluster, `ownkube-NAME` for another: context, cluster and user alike. */
export function contextName(clusterName: string): string {
  return clusterName === defaultName ? 'ownkube' : `ownkube-${clusterName}`
}

export async function writeAdminKubeconfig(config: ClusterConfig, certificates: ClusterCertificates): Promise<void> {
  const text = await kubeconfigOf({
    name: contextName(config.name),
    server: `https://127.0.0.1:${config.apiPort}`,
    ca: certificates.ca,
    cert: certificates.admin.cert,
    key: certificates.admin.key,
  })
  await writeWhole(pathsOf(config).adminKubeconfig, text, { mode: 0o600 })
}

/** Whoever called sudo, or the user itself. */
async function invokingUser(exec: Exec): Promise<{ home: string; uid: number; gid: number }> {
  const uid = process.env.SUDO_UID ?? String(process.getuid?.() ?? 0)
  const { stdout } = await exec.run('getent', ['passwd', uid])
  const fields = stdout.trim().split(':')
  return { home: fields[5] || process.env.HOME || '/root', uid: Number(fields[2] ?? uid), gid: Number(fields[3] ?? 0) }
}

/** The file that kubectl would write to: the first of $KUBECONFIG, else ~/.kube/config. */
function userKubeconfigPath(home: string): string {
  const first = process.env.KUBECONFIG?.split(':').find(Boolean)
  return first ?? join(home, '.kube', 'config')
}

async function writeWhole(path: string, text: string, options: { mode: number; uid?: number; gid?: number }): Promise<void> {
  const temporary = `${path}.ownkube-new`
  await writeFile(temporary, text, { mode: options.mode })
  if (options.uid !== undefined && options.gid !== undefined) await chown(temporary, options.uid, options.gid)
  await rename(temporary, path)
}

async function editUserKubeconfig(exec: Exec, edit: (existing: string) => Promise<string>): Promise<string> {
  const { home, uid, gid } = await invokingUser(exec)
  const named = userKubeconfigPath(home)
  const existing = (await readIfThere(named)) ?? ''
  // A link, as people have who keep their settings elsewhere, stays one: what it leads to is written.
  const there = existsSync(named)
  const path = there ? await realpath(named) : named
  const before = there ? await stat(path) : { mode: 0o600, uid, gid }
  if (!there) {
    const made = await mkdir(dirname(path), { recursive: true, mode: 0o750 })
    if (made) await chown(made, uid, gid)
  }
  const text = await edit(existing)
  if (text !== existing) await writeWhole(path, text, { mode: before.mode & 0o777, uid: before.uid, gid: before.gid })
  return named
}

/** Adds or renews our context in the invoking user's kubeconfig; answers its path. The current context stays, if there is one. */
export async function mergeUserKubeconfig(config: ClusterConfig, exec: Exec): Promise<string> {
  const ours = await readFile(pathsOf(config).adminKubeconfig, 'utf8')
  return await editUserKubeconfig(exec, (existing) => mergeKubeconfig(existing, ours, { setCurrent: false }))
}

/** Takes our context, cluster and user out again. */
export async function cleanUserKubeconfig(clusterName: string, exec: Exec): Promise<void> {
  await editUserKubeconfig(exec, (existing) =>
    existing === '' ? Promise.resolve('') : removeFromKubeconfig(existing, contextName(clusterName)),
  )
}
