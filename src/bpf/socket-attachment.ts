import { closeSync, openSync, statfsSync } from 'node:fs'
import { assemble } from './assemble.ts'
import type { BpfCalls } from './bpf-calls.ts'
import { attachTypes, type HookName } from './bpf-kinds.ts'
import { storageTypes } from './btf.ts'
import { layoutVersion, type MapName, mapSpecs } from './socket-maps.ts'
import { type ProgramOptions, socketPrograms } from './socket-programs.ts'

export type MapFds = Readonly<Record<MapName, number>>
export type ProgramFds = Readonly<Record<HookName, number>>

const cgroup2Magic = 0x63677270
const hookNames = Object.keys(attachTypes) as HookName[]
const mapNames = Object.keys(mapSpecs) as MapName[]

/** By these names ours are known again; the kernel keeps fifteen characters. */
const programName = (hook: HookName): string => `ok_${hook}`
const mapName = (map: MapName): string => `ok${layoutVersion}_${map}`

/** Throws if there is no cgroup of version 2 at this path. */
export function openCgroup(path: string): number {
  if (statfsSync(path).type !== cgroup2Magic) throw new Error(`${path} is no cgroup of version 2`)
  return openSync(path, 'r')
}

/** Our program on each hook of a cgroup, where there is one: file descriptors. */
export function findPrograms(bpf: BpfCalls, cgroup: number): Map<HookName, number> {
  const found = new Map<HookName, number>()
  for (const hook of hookNames) {
    for (const id of bpf.attached(cgroup, attachTypes[hook])) {
      const program = bpf.openProgram(id)
      if (program === undefined) continue
      if (!found.has(hook) && bpf.programInfo(program).name === programName(hook)) found.set(hook, program)
      else closeSync(program)
    }
  }
  return found
}

/** The maps of programs that an earlier run attached, if they are just as we would make them. */
export function findMaps(bpf: BpfCalls, programs: Iterable<number>): MapFds | undefined {
  const maps = new Map<string, number>()
  for (const program of programs) {
    for (const id of bpf.programInfo(program).mapIds) {
      const map = bpf.openMap(id)
      if (map === undefined) continue
      const { name } = bpf.mapInfo(map)
      if (maps.has(name)) closeSync(map)
      else maps.set(name, map)
    }
  }
  const ours = mapNames.map((name) => [name, maps.get(mapName(name))] as const)
  if (ours.every(([name, map]) => map !== undefined && isAsSpecified(bpf, name, map))) return Object.fromEntries(ours) as MapFds
  for (const map of maps.values()) closeSync(map)
  return undefined
}

function isAsSpecified(bpf: BpfCalls, name: MapName, map: number): boolean {
  const found = bpf.mapInfo(map)
  const wanted = mapSpecs[name]
  return (['type', 'keyBytes', 'valueBytes', 'maxEntries'] as const).every((property) => found[property] === wanted[property])
}

export function makeMaps(bpf: BpfCalls): MapFds {
  const made: Partial<Record<MapName, number>> = {}
  try {
    for (const name of mapNames) {
      const spec = mapSpecs[name]
      if (spec.type !== 'socketStorage') {
        made[name] = bpf.createMap(mapName(name), spec)
        continue
      }
      const types = bpf.loadTypes(storageTypes(spec.valueBytes))
      try {
        made[name] = bpf.createMap(mapName(name), spec, types)
      } finally {
        closeSync(types)
      }
    }
    return made as MapFds
  } catch (error) {
    closeAll(made)
    throw error
  }
}

/** Throws a VerifierError if the kernel doesn't take one of them. */
export function loadPrograms(bpf: BpfCalls, maps: MapFds, options: ProgramOptions): ProgramFds {
  const loaded: Partial<Record<HookName, number>> = {}
  const programs = socketPrograms(options)
  try {
    for (const hook of hookNames) loaded[hook] = bpf.loadProgram(programName(hook), assemble(programs[hook], maps), attachTypes[hook])
    return loaded as ProgramFds
  } catch (error) {
    closeAll(loaded)
    throw error
  }
}

/**
 * Each takes the place of ours from before in one step, so that no system call goes without. What undoes comes first: an answer must
 * never come back from an endpoint that nobody can name.
 */
export function attachPrograms(bpf: BpfCalls, cgroup: number, programs: ProgramFds): void {
  const before = findPrograms(bpf, cgroup)
  try {
    for (const hook of [...hookNames].reverse()) bpf.attach(cgroup, programs[hook], attachTypes[hook], before.get(hook))
  } catch (error) {
    if (before.size === 0) detachPrograms(bpf, cgroup)
    throw error
  } finally {
    for (const program of before.values()) closeSync(program)
  }
}

/** Whether each hook has a program of ours. */
export function isAttached(bpf: BpfCalls, cgroup: number): boolean {
  const found = findPrograms(bpf, cgroup)
  for (const program of found.values()) closeSync(program)
  return found.size === hookNames.length
}

/** False: there was none. What translates goes first. */
export function detachPrograms(bpf: BpfCalls, cgroup: number): boolean {
  const found = findPrograms(bpf, cgroup)
  for (const hook of hookNames) {
    const program = found.get(hook)
    if (program === undefined) continue
    try {
      bpf.detach(cgroup, program, attachTypes[hook])
    } finally {
      closeSync(program)
    }
  }
  return found.size > 0
}

export function closeAll(fds: Readonly<Partial<Record<string, number>>>): void {
  for (const fd of Object.values(fds)) if (fd !== undefined) closeSync(fd)
}
