import type { Pod } from '../api/generated/types.ts'
import { namespaceOf } from './labels.ts'

export interface DnsConfig {
  servers: string[]
  searches: string[]
  options: string[]
}

/** resolv.conf as data. Of `search` the last line counts, as resolvers do it. */
export function parseResolvConf(text: string): DnsConfig {
  const dns: DnsConfig = { servers: [], searches: [], options: [] }
  for (const line of text.split('\n')) {
    const [word, ...rest] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/)
    if (word === 'nameserver' && rest[0]) dns.servers.push(rest[0])
    else if (word === 'search' || word === 'domain') dns.searches = rest.map((name) => name.replace(/(.)\.$/, '$1'))
    else if (word === 'options') dns.options = rest
  }
  return dns
}

export interface DnsSources {
  readonly host: DnsConfig
  readonly clusterDns: readonly string[]
  readonly clusterDomain: string
}

/** https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy */
export function podDns(pod: Pod, { host, clusterDns, clusterDomain }: DnsSources): DnsConfig {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst'
  const useCluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec.hostNetwork)
  let dns: DnsConfig
  if (policy === 'None') dns = { servers: [], searches: [], options: [] }
  else if (useCluster && clusterDns.length > 0) {
    const searches = [`${namespaceOf(pod)}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]
    dns = { servers: [...clusterDns], searches: [...searches, ...host.searches], options: ['ndots:5'] }
  } else dns = { servers: [...host.servers], searches: [...host.searches], options: [...host.options] }
  const { nameservers = [], searches = [], options = [] } = pod.spec.dnsConfig ?? {}
  const named = new Map(dns.options.map((option) => [option.split(':', 1)[0]!, option]))
  for (const { name = '', value } of options) named.set(name, value === undefined ? name : `${name}:${value}`)
  return {
    servers: [...new Set([...dns.servers, ...nameservers])].slice(0, 3),
    searches: [...new Set([...dns.searches, ...searches])].slice(0, 32),
    options: [...named.values()],
  }
}

/** The pod's /etc/hosts; `hostText` is the node's own file for pods on its network. */
export function hostsFile(pod: Pod, podIp: string, hostName: string, clusterDomain: string, hostText: string): string {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`)
  const added = aliases.length > 0 ? `\n# Entries added by HostAliases.\n${aliases.join('')}` : ''
  if (pod.spec.hostNetwork) return `# Kubernetes-managed hosts file (host network).\n${hostText}${added}`
  const { subdomain } = pod.spec
  const names = subdomain ? `${hostName}.${subdomain}.${namespaceOf(pod)}.svc.${clusterDomain}\t${hostName}` : hostName
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', 'fe00::0\tip6-localnet', 'fe00::0\tip6-mcastprefix']
  lines.push('fe00::1\tip6-allnodes', 'fe00::2\tip6-allrouters', ...(podIp ? [`${podIp}\t${names}`] : []))
  return `# Kubernetes-managed hosts file.\n${lines.join('\n')}\n${added}`
}
