import { pods } from '../core/pod.ts'
import type { Container, Pod, PodSpec } from '../generated/types.ts'
import { created } from './kind-cases.ts'

/** A row of a table: what the spec has beyond a plain container, and what is wrong with it. */
export type SpecCase = [name: string, spec: Partial<PodSpec>, faults?: string[]]
export type ContainerCase = [name: string, container: Partial<Container>, faults?: string[]]

const plain: Container = { name: 'main', image: 'nginx' }

export const withContainer = (container: Partial<Container>): Partial<PodSpec> => ({ containers: [{ ...plain, ...container }] })

export const podWith = (spec: Partial<PodSpec>, metadata: object = {}): Pod =>
  created(pods, { metadata, spec: { containers: [plain], ...spec } })

export const podFaults = (spec: Partial<PodSpec>, metadata?: object): string[] =>
  pods.validate(podWith(spec, metadata)).map(({ field, message }) => `${field}: ${message}`)

/** Faults of a container, told without `spec.containers[0].`. */
export const containerFaults = (container: Partial<Container>, spec: Partial<PodSpec> = {}): string[] =>
  podFaults({ ...withContainer(container), ...spec }).map((fault) => fault.replace(/^spec\.containers\[0\]\./, ''))
