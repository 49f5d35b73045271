import { isIP } from 'node:net'
import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsLabelFaults, dnsSubdomainFaults, type Faults, portNameFaults, portNumberFaults } from '../field-checks.ts'
import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule } from '../generated/types.ts'

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix']
const forbiddenInPath = ['//', '/./', '/../', '%2f', '%2F']
const forbiddenAtEnd = ['/..', '/.']

function* backendFaults(path: string, { service, resource }: IngressBackend): Faults {
  if (resource && service) return yield invalidValue(path, '', 'cannot set both resource and service backends')
  if (resource) {
    if (!resource.kind) yield required(`${path}.resource.kind`)
    if (!resource.name) yield required(`${path}.resource.name`)
    return
  }
  if (!service) return yield required(path, 'port name or number is required')
  if (!service.name) yield required(`${path}.service.name`)
  else yield* dnsLabelFaults(`${path}.service.name`, service.name)
  const { name, number } = service.port ?? {}
  if (name && number) yield invalidValue(path, '', 'cannot set both port name & port number')
  else if (name) yield* portNameFaults(`${path}.service.port.name`, name)
  else if (number) yield* portNumberFaults(`${path}.service.port.number`, number)
  else yield required(path, 'port name or number is required')
}

function* pathFaults(at: string, { path = '', pathType, backend }: HTTPIngressPath): Faults {
  if (pathType === undefined) yield required(`${at}.pathType`, 'pathType must be specified')
  else if (!pathTypes.includes(pathType)) yield notSupported(`${at}.pathType`, pathType, pathTypes)
  else if (pathType === 'ImplementationSpecific') {
    if (path !== '' && !path.startsWith('/')) yield invalidValue(`${at}.path`, path, 'must be an absolute path')
  } else {
    if (!path.startsWith('/')) yield invalidValue(`${at}.path`, path, 'must be an absolute path')
    for (const part of forbiddenInPath) if (path.includes(part)) yield invalidValue(`${at}.path`, path, `must not contain '${part}'`)
    for (const part of forbiddenAtEnd) if (path.endsWith(part)) yield invalidValue(`${at}.path`, path, `cannot end with '${part}'`)
  }
  yield* backendFaults(`${at}.backend`, backend ?? ({} as IngressBackend))
}

function* hostFaults(path: string, host: string): Faults {
  if (isIP(host)) yield invalidValue(path, host, 'must be a DNS name, not an IP address')
  else if (!host.includes('*')) yield* dnsSubdomainFaults(path, host)
  else if (!host.startsWith('*.') || [...dnsSubdomainFaults(path, host.slice(2))].length > 0) {
    const why =
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
    const pattern = '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'
    yield invalidValue(path, host, `${why} (e.g. '*.example.com', regex used for validation is '${pattern}')`)
  }
}

function* ruleFaults(at: string, { host, http }: IngressRule): Faults {
  if (host) yield* hostFaults(`${at}.host`, host)
  if (!http) return
  if (!http.paths?.length) yield required(`${at}.http.paths`)
  for (const [index, path] of (http.paths ?? []).entries()) yield* pathFaults(`${at}.http.paths[${index}]`, path)
}

function* ingressFaults({ spec }: Ingress): Faults {
  if (!spec.rules?.length && !spec.defaultBackend)
    yield invalidValue('spec', spec.rules ?? [], 'either `defaultBackend` or `rules` must be specified')
  if (spec.defaultBackend) yield* backendFaults('spec.defaultBackend', spec.defaultBackend)
  for (const [index, rule] of (spec.rules ?? []).entries()) yield* ruleFaults(`spec.rules[${index}]`, rule)
  for (const [index, { hosts = [], secretName }] of (spec.tls ?? []).entries()) {
    for (const [at, host] of hosts.entries()) yield* hostFaults(`spec.tls[${index}].hosts[${at}]`, host)
    if (secretName) yield* dnsSubdomainFaults(`spec.tls[${index}].secretName`, secretName)
  }
  if (spec.ingressClassName !== undefined) yield* dnsSubdomainFaults('spec.ingressClassName', spec.ingressClassName)
}

export const validateIngress = (ingress: Ingress): FieldError[] => [...ingressFaults(ingress)]
