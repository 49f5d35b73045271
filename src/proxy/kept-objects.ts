import type { Endpoint, EndpointConditions, EndpointSlice, Service } from '../api/generated/types.ts'
import type { ObjectMeta } from '../machinery/object.ts'
import { triggerTimeAnnotation } from './service-changes.ts'
import { headlessLabel, proxyNameLabel, serviceNameLabel } from './service-port.ts'

/**
 * What is kept of a Service: what decides where its traffic goes. Who wrote which field, labels and selectors are most of its size, and
 * there may be tens of thousands.
 */
export function keptService({ metadata, spec = {}, status }: Service): Service {
  const { selector: _selector, ipFamilies: _families, ipFamilyPolicy: _policy, ...kept } = spec
  const ingress = status?.loadBalancer?.ingress
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: keptMetadata(metadata),
    spec: kept,
    ...(ingress ? { status: { loadBalancer: { ingress } } } : {}),
  }
}

/** Nor does it matter which pod is behind an endpoint: its address is. */
export function keptSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    addressType,
    metadata: keptMetadata(metadata),
    ...(endpoints ? { endpoints: endpoints.map(keptEndpoint) } : {}),
    ...(ports ? { ports } : {}),
  }
}

const keptLabels = [serviceNameLabel, proxyNameLabel, headlessLabel]
const keptAnnotations = [triggerTimeAnnotation]

function keptMetadata({ name, namespace, uid, resourceVersion, creationTimestamp, labels, annotations }: ObjectMeta): ObjectMeta {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid,
    resourceVersion,
    creationTimestamp,
    ...entriesOf('labels', labels, keptLabels),
    ...entriesOf('annotations', annotations, keptAnnotations),
  }
}

function entriesOf(field: string, all: Readonly<Record<string, string>> | undefined, names: readonly string[]): object {
  const found = names.filter((name) => all && name in all)
  return found.length === 0 ? {} : { [field]: Object.fromEntries(found.map((name) => [name, all?.[name]])) }
}

function keptEndpoint({ addresses, conditions, nodeName, hints }: Endpoint): Endpoint {
  return {
    addresses,
    ...(conditions ? { conditions: sharedConditions(conditions) } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(hints ? { hints } : {}),
  }
}

/** There are few different ones, however many endpoints. */
const knownConditions = new Map<string, EndpointConditions>()

function sharedConditions(conditions: EndpointConditions): EndpointConditions {
  const key = `${conditions.ready} ${conditions.serving} ${conditions.terminating}`
  const known = knownConditions.get(key) ?? conditions
  knownConditions.set(key, known)
  return known
}
