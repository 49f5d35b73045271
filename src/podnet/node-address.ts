import { type Exec, ExecError } from '../host/exec.ts'

/** Documentation addresses (RFC 5737, RFC 3849): only the route to them is looked at, nothing is sent. */
const somewhere = '192.0.2.1'
const somewhere6 = '2001:db8::1'

interface RouteJson {
  dev?: string
  prefsrc?: string
}
interface LinkJson {
  ifname: string
  addr_info?: { family: string; local: string; scope: string }[]
}

/**
 * This machine's own address: the one it would use towards the world, else the first of a real interface, else 127.0.0.1
 * (a machine without any network still runs a cluster for itself).
 */
export async function nodeAddress(exec: Exec): Promise<string> {
  return (await outwardRoute(exec))?.prefsrc ?? chooseAddress(await interfaces(exec)) ?? '127.0.0.1'
}

/** The same of IPv6; undefined where the machine has none but link-local ones. */
export async function nodeAddress6(exec: Exec): Promise<string | undefined> {
  const [route] = await ipJson<RouteJson>(exec, ['-6', 'route', 'get', somewhere6])
  if (route?.prefsrc !== undefined && route.dev !== 'lo') return route.prefsrc
  return chooseAddress(await ipJson<LinkJson>(exec, ['-6', 'address', 'show', 'up']), 'inet6')
}

/** The interface's name that leads to the world. */
export async function outwardInterface(exec: Exec): Promise<string | undefined> {
  return (await outwardRoute(exec))?.dev
}

async function outwardRoute(exec: Exec): Promise<RouteJson | undefined> {
  const routes = await ipJson<RouteJson>(exec, ['-4', 'route', 'get', somewhere])
  return routes.find(({ dev }) => dev !== undefined && dev !== 'lo')
}

async function interfaces(exec: Exec): Promise<LinkJson[]> {
  return await ipJson<LinkJson>(exec, ['-4', 'address', 'show', 'up'])
}

/** Bridges and pairs that containers use are no way to this machine. */
const inner = /^(lo$|okb-|veth|docker|br-|cni|virbr|podman|flannel)/

export function chooseAddress(links: readonly LinkJson[], wanted: 'inet' | 'inet6' = 'inet'): string | undefined {
  return links
    .filter(({ ifname }) => !inner.test(ifname))
    .flatMap(({ addr_info = [] }) => addr_info)
    .find(({ family, scope }) => family === wanted && scope === 'global')?.local
}

/** Empty where `ip` says no, as it does where there is no such route. */
async function ipJson<T>(exec: Exec, args: readonly string[]): Promise<T[]> {
  const { code, stdout } = await exec.run('ip', ['-json', ...args])
  if (code !== 0) return []
  try {
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[])
  } catch (cause) {
    throw new ExecError(`ip -json ${args.join(' ')} printed no JSON`, { cause })
  }
}
