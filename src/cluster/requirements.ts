import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Exec } from '../host/exec.ts'
import { cniPluginDirs } from './paths.ts'

/** A program that a node needs, and the Debian package that brings it. */
interface Requirement {
  readonly program: string
  readonly debian: string
  readonly purpose: string
  /** Where it is looked for instead of the PATH. */
  readonly directories?: readonly string[]
}

/** tools/setup.sh reads these rows too, before there is a Node to run this: a line each, as they stand. */
export const requirements: readonly Requirement[] = [
  { program: 'containerd', debian: 'containerd', purpose: 'runs containers' },
  { program: 'containerd-shim-runc-v2', debian: 'containerd', purpose: 'holds a pod' },
  { program: 'ctr', debian: 'containerd', purpose: 'imports images' },
  { program: 'runc', debian: 'runc', purpose: 'starts containers' },
  { program: 'bridge', debian: 'containernetworking-plugins', purpose: 'connects pods', directories: cniPluginDirs },
  { program: 'host-local', debian: 'containernetworking-plugins', purpose: 'gives pods addresses', directories: cniPluginDirs },
  { program: 'portmap', debian: 'containernetworking-plugins', purpose: 'serves host ports', directories: cniPluginDirs },
  { program: 'loopback', debian: 'containernetworking-plugins', purpose: 'gives pods a loopback', directories: cniPluginDirs },
  { program: 'iptables-restore', debian: 'iptables', purpose: 'programs Services' },
  { program: 'nft', debian: 'nftables', purpose: 'programs Services' },
  { program: 'ip', debian: 'iproute2', purpose: 'sets up links' },
]

/** What the demo and the tests make their little images of. */
export const busyboxRequirement: Requirement = { program: 'busybox', debian: 'busybox-static', purpose: 'fills the demo image' }

/** For tests of the datastore that is one. */
export const etcdRequirement: Requirement = { program: 'etcd', debian: 'etcd-server', purpose: 'stores clusters of several servers' }
export const etcdctlRequirement: Requirement = { program: 'etcdctl', debian: 'etcd-client', purpose: 'looks into etcd' }

/** OWNKUBE_PROGRAM_PATH replaces the places where programs are looked for, as a test of their absence does. */
const programDirs = process.env.OWNKUBE_PROGRAM_PATH?.split(delimiter) ?? [
  ...new Set([...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin']),
]

function isThere({ program, directories = programDirs }: Requirement): boolean {
  return directories.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false // not here: the next directory may have it
    }
  })
}

function missingRequirements(extra: readonly Requirement[] = []): Requirement[] {
  return [...requirements, ...extra].filter((requirement) => !isThere(requirement))
}

/** Says what is missing and how to get it. */
export class MissingProgramsError extends Error {
  constructor(missing: readonly Requirement[], advice: string) {
    const width = Math.max(...missing.map(({ program }) => program.length))
    const lines = missing.map(({ program, purpose, debian }) => `  ${program.padEnd(width)}  ${purpose} (Debian package ${debian})`)
    super(`this machine lacks programs that a node needs:\n${lines.join('\n')}\n${advice}`)
    this.name = 'MissingProgramsError'
  }
}

function isDebianLike(): boolean {
  try {
    return /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false // no such file: no distribution that we know
  }
}

/**
 * Installs what is missing with apt-get where that is how the machine does it, telling `say` first.
 * Throws {@link MissingProgramsError} when it may not, can't, or it didn't help.
 */
export async function ensureRequirements(deps: {
  exec: Exec
  say: (text: string) => void
  install: boolean
  extra?: readonly Requirement[]
}): Promise<void> {
  const missing = missingRequirements(deps.extra)
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(({ debian }) => debian))]
  const command = `apt-get install --no-install-recommends ${packages.join(' ')}`
  if (!isDebianLike()) {
    throw new MissingProgramsError(
      missing,
      "Install them with this system's package manager (the upstream releases are at containerd.io, github.com/opencontainers/runc, github.com/containernetworking/plugins), then run this again.",
    )
  }
  if (!deps.install) throw new MissingProgramsError(missing, `Run: ${command}\nor run this again without --no-install.`)
  deps.say(`installing Debian packages: ${packages.join(', ')}`)
  const apt = async (...args: string[]): Promise<void> => {
    const result = await deps.exec.run('apt-get', args, { timeoutMs: 15 * 60_000, env: { DEBIAN_FRONTEND: 'noninteractive' } })
    if (result.code !== 0)
      throw new MissingProgramsError(missing, `apt-get ${args.join(' ')} failed:\n${(result.stderr || result.stdout).trim()}`)
  }
  await apt('update', '-q')
  await apt('install', '-q', '-y', '--no-install-recommends', ...packages)
  const still = missingRequirements(deps.extra)
  if (still.length > 0) throw new MissingProgramsError(still, `${command} did not bring them.`)
}
