import { isIP } from 'node:net'
import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  ipFaults,
  pathSegmentFaults,
  portNameFaults,
  portNumberFaults,
  wildcardSubdomainFaults,
} from '../field-checks.ts'
import type { HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressServiceBackend } from '../generated/types.ts'

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix']
const forbiddenInPath = ['//', '/./', '/../', '%2f', '%2F']
const forbiddenAtEnd = ['/..', '/.']
/** How an Ingress said its class before there was a field for it. */
const classAnnotation = 'kubernetes.io/ingress.class'

interface Reference {
  readonly apiGroup?: string
  readonly kind?: string
  readonly name?: string
}

export function* referenceFaults(path: string, { apiGroup, kind, name }: Reference): Faults {
  if (apiGroup !== undefined) yield* dnsSubdomainFaults(`${path}.apiGroup`, apiGroup)
  for (const [field, value] of Object.entries({ kind, name })) {
    if (!value) yield required(`${path}.${field}`)
    else yield* pathSegmentFaults(`${path}.${field}`, value)
  }
}

function* serviceFaults(path: string, service: IngressServiceBackend): Faults {
  if (!service.name) yield required(`${path}.service.name`)
  else yield* dnsLabelFaults(`${path}.service.name`, service.name)
  const { name, number } = service.port ?? {}
  if (name && number) yield invalidValue(path, '', 'cannot set both port name & port number')
  else if (name) yield* portNameFaults(`${path}.service.port.name`, name)
  else if (number) yield* portNumberFaults(`${path}.service.port.number`, number)
  else yield required(path, 'port name or number is required')
}

function* backendFaults(path: string, { service, resource }: IngressBackend): Faults {
  if (resource && service) yield invalidValue(path, '', 'cannot set both resource and service backends')
  else if (resource) yield* referenceFaults(`${path}.resource`, resource)
  else if (service) yield* serviceFaults(path, service)
  else yield invalidValue(path, '', 'resource or service backend is required')
}

function* pathFaults(at: string, { path = '', pathType, backend }: HTTPIngressPath): Faults {
  if (pathType === undefined) return yield required(`${at}.pathType`, 'pathType must be specified')
  if (!pathTypes.includes(pathType)) yield notSupported(`${at}.pathType`, pathType, pathTypes)
  else if (pathType === 'ImplementationSpecific') {
    if (path !== '' && !path.startsWith('/')) yield invalidValue(`${at}.path`, path, 'must be an absolute path')
  } else {
    if (!path.startsWith('/')) yield invalidValue(`${at}.path`, path, 'must be an absolute path')
    for (const part of forbiddenInPath) if (path.includes(part)) yield invalidValue(`${at}.path`, path, `must not contain '${part}'`)
    for (const part of forbiddenAtEnd) if (path.endsWith(part)) yield invalidValue(`${at}.path`, path, `cannot end with '${part}'`)
  }
  yield* backendFaults(`${at}.backend`, backend ?? ({} as IngressBackend))
}

const hostFaults = (path: string, host: string): Faults =>
  host.includes('*') ? wildcardSubdomainFaults(path, host) : dnsSubdomainFaults(path, host)

function* notAddressFaults(path: string, host: string): Faults {
  if (isIP(host)) yield invalidValue(path, host, 'must be a DNS name, not an IP address')
}

function* ruleFaults(at: string, { host, http }: IngressRule): Faults {
  if (host) {
    yield* notAddressFaults(`${at}.host`, host)
    yield* hostFaults(`${at}.host`, host)
  }
  if (!http) return
  if (!http.paths?.length) yield required(`${at}.http.paths`)
  for (const [index, path] of (http.paths ?? []).entries()) yield* pathFaults(`${at}.http.paths[${index}]`, path)
}

function* ingressFaults({ metadata, spec }: Ingress): Faults {
  if (!spec.rules?.length && !spec.defaultBackend)
    yield invalidValue('spec', spec.rules, 'either `defaultBackend` or `rules` must be specified')
  if (spec.defaultBackend) yield* backendFaults('spec.defaultBackend', spec.defaultBackend)
  for (const [index, rule] of (spec.rules ?? []).entries()) yield* ruleFaults(`spec.rules[${index}]`, rule)
  for (const [index, { hosts = [], secretName }] of (spec.tls ?? []).entries()) {
    for (const [at, host] of hosts.entries()) yield* hostFaults(`spec.tls[${index}].hosts[${at}]`, host)
    if (secretName) yield* dnsSubdomainFaults(`spec.tls[${index}].secretName`, secretName)
  }
  const name = spec.ingressClassName
  if (name !== undefined) yield* dnsSubdomainFaults('spec.ingressClassName', name)
  const annotated = metadata.annotations?.[classAnnotation]
  const isNew = !metadata.resourceVersion
  if (isNew && annotated !== undefined && name !== undefined && annotated !== name) {
    yield invalidValue(`annotations.${classAnnotation}`, annotated, 'must match `ingressClassName` when both are specified')
  }
}

export const validateIngress = (ingress: Ingress): FieldError[] => [...ingressFaults(ingress)]

export const validateIngressStatus = ({ status }: Ingress): FieldError[] =>
  (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }, index) => {
    const path = `status.loadBalancer.ingress[${index}]`
    return [
      ...(ip ? ipFaults(`${path}.ip`, ip) : []),
      ...(hostname ? [...dnsSubdomainFaults(`${path}.hostname`, hostname), ...notAddressFaults(`${path}.hostname`, hostname)] : []),
    ]
  })

export function ingressWarnings({ metadata, spec }: Ingress, previous: Ingress | undefined): string[] {
  if (previous || metadata.annotations?.[classAnnotation] === undefined || spec.ingressClassName !== undefined) return []
  return [`annotation "${classAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`]
}
