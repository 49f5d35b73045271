import { isIPv6 } from 'node:net'
import { none } from '../columns.ts'
import type { EndpointSlice, EndpointSubset, Endpoints } from '../generated/types.ts'

/** The first three, and how many there are beyond. */
function firstThree(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).join(',')
  return texts.length > 3 ? `${shown} + ${texts.length - 3} more...` : shown
}

const withPort = (ip: string, port: number): string => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`)

function subsetTexts({ addresses = [], ports = [] }: EndpointSubset): string[] {
  if (ports.length === 0) return addresses.map((address) => address.ip)
  return ports.flatMap((port) => addresses.map((address) => withPort(address.ip, port.port)))
}

export function endpointsText({ subsets = [] }: Endpoints): string {
  return subsets.length === 0 ? none : firstThree(subsets.flatMap(subsetTexts))
}

const unset = '<unset>'

export function slicePortsText({ ports = [] }: EndpointSlice): string {
  return ports.length === 0 ? unset : firstThree(ports.map((port) => (port.port === undefined ? '*' : String(port.port))))
}

export function sliceAddressesText(slice: EndpointSlice): string {
  const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses)
  return addresses.length === 0 ? unset : firstThree(addresses)
}
