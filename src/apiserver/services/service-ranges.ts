import type { ServiceCIDR } from '../../api/generated/types.ts'
import type { KindCache } from '../kind-cache.ts'
import { AddressRange, type IpFamily } from './address-range.ts'

/** The ServiceCIDR that is made of what the server was started with. */
export const defaultServiceCidr = 'kubernetes'

/** Ready until somebody says otherwise: controllers need not run for Services to be made. */
function givesAddresses({ metadata, status }: ServiceCIDR): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  return metadata.deletionTimestamp === undefined && (ready === undefined || ready.status === 'True')
}

/** The networks that Services get addresses of now: those of the ServiceCIDRs that are ready. */
export class ServiceRanges {
  /** What the server was started with: the cluster's families, its first one first. */
  readonly configured: readonly AddressRange[]
  readonly #cidrs: KindCache
  #ready: readonly AddressRange[] | undefined

  /** Throws on ranges that no cluster can have. */
  constructor(cidrs: KindCache, serviceCidr: string) {
    this.#cidrs = cidrs
    this.configured = parsedRanges(serviceCidr)
    cidrs.onChange(() => {
      this.#ready = undefined
    })
  }

  get families(): readonly IpFamily[] {
    return this.configured.map(({ family }) => family)
  }

  /** Those of a family, the default one's first. */
  of(family: IpFamily): readonly AddressRange[] {
    this.#ready ??= this.#read()
    return this.#ready.filter((range) => range.family === family)
  }

  #read(): AddressRange[] {
    const all = this.#cidrs.list(undefined).map(({ object }) => object as ServiceCIDR)
    const isDefault = ({ metadata }: ServiceCIDR): boolean => metadata.name === defaultServiceCidr
    const inOrder = [...all.filter(isDefault), ...all.filter((one) => !isDefault(one))].filter(givesAddresses)
    const texts = new Set(inOrder.flatMap(({ spec }) => spec?.cidrs ?? []))
    return [...texts].map((cidr) => new AddressRange(cidr))
  }
}

/** One range a family, each with room for a few Services. */
function parsedRanges(serviceCidr: string): AddressRange[] {
  const ranges = serviceCidr.split(',').map((cidr) => new AddressRange(cidr))
  const small = ranges.find(({ room }) => room < 2)
  if (small) throw new Error(`not a network with room for Services: ${small.text}`)
  if (ranges.length > 2 || (ranges.length === 2 && ranges[0]?.family === ranges[1]?.family)) {
    throw new Error(`addresses of Services are one range, or two of different families: ${serviceCidr}`)
  }
  return ranges
}
