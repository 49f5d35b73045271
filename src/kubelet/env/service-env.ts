import type { Service } from '../../api/generated/types.ts'

/**
 * The variables that announce Services to a container: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables .
 * Those of the pod's own namespace, where asked for, and always the API's own.
 */
export function serviceEnv(services: readonly Service[], namespace: string, links: boolean): Map<string, string> {
  const env = new Map<string, string>()
  for (const service of services) {
    const { name, namespace: home } = service.metadata
    const isApi = home === 'default' && name === 'kubernetes'
    if (isApi || (links && home === namespace)) announce(service, env)
  }
  return env
}

function announce(service: Service, env: Map<string, string>): void {
  const ip = service.spec?.clusterIP
  const ports = service.spec?.ports ?? []
  const first = ports[0]
  if (!ip || ip === 'None' || !first) return
  const prefix = variableName(service.metadata.name)
  const host = ip.includes(':') ? `[${ip}]` : ip
  const urlOf = (port: { protocol?: string; port: number }): string => `${(port.protocol ?? 'TCP').toLowerCase()}://${host}:${port.port}`
  env.set(`${prefix}_SERVICE_HOST`, ip)
  env.set(`${prefix}_SERVICE_PORT`, String(first.port))
  for (const port of ports) if (port.name) env.set(`${prefix}_SERVICE_PORT_${variableName(port.name)}`, String(port.port))
  env.set(`${prefix}_PORT`, urlOf(first))
  for (const port of ports) {
    const protocol = port.protocol ?? 'TCP'
    const link = `${prefix}_PORT_${port.port}_${protocol}`
    env.set(link, urlOf(port))
    env.set(`${link}_PROTO`, protocol.toLowerCase())
    env.set(`${link}_PORT`, String(port.port))
    env.set(`${link}_ADDR`, ip)
  }
}

function variableName(name: string): string {
  return name.replaceAll('-', '_').toUpperCase()
}
