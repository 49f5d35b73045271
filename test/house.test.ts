import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/** Which room may import which: ARCHITECTURE.md says why. A room may always import itself. */
const table: Record<string, readonly string[]> = {
  machinery: [],
  host: [],
  api: ['machinery'],
  storage: ['machinery', 'host'],
  apiserver: ['machinery', 'api', 'host', 'storage'],
  client: ['machinery', 'api', 'host'],
  controllers: ['machinery', 'api', 'host', 'client'],
  scheduler: ['machinery', 'api', 'host', 'client'],
  cri: ['machinery', 'host'],
  kubelet: ['machinery', 'api', 'host', 'client', 'cri'],
  netfilter: ['host'],
  bpf: ['host'],
  proxy: ['machinery', 'api', 'host', 'client', 'netfilter', 'bpf'],
  podnet: ['machinery', 'api', 'host', 'client', 'netfilter'],
  cluster: [
    'machinery',
    'api',
    'host',
    'storage',
    'apiserver',
    'client',
    'controllers',
    'scheduler',
    'cri',
    'kubelet',
    'netfilter',
    'bpf',
    'proxy',
    'podnet',
  ],
  cli: ['machinery', 'api', 'host', 'client', 'cluster'],
  'main.ts': ['cli', 'cluster'],
}

const src = join(dirname(fileURLToPath(import.meta.url)), '../src')

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return entry.name === 'generated' ? [] : filesUnder(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

const roomOf = (path: string): string => relative(src, path).split('/')[0] as string
/** What only tests load: their own files, the contract suites that several tests share, and their stand-ins. */
const isTestFile = (path: string): boolean => /\.test\.ts$|-contract\.ts$|\/testing\//.test(path)
const files = filesUnder(src)
const sources = files.filter((path) => !isTestFile(path))

function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8')
  return [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g,
    ),
  ].map((found) => (found[1] ?? found[2] ?? found[3]) as string)
}

/** Comments and string contents aside, so that a rule about code is not tripped by prose. */
function codeOf(path: string): string {
  return readFileSync(path, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '')
}

describe('the house', () => {
  it('imports only what the import table allows', () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((target) => target.startsWith('.'))
        .map((target) => roomOf(resolve(dirname(path), target)))
        .filter((room) => room !== roomOf(path) && !(table[roomOf(path)] ?? []).includes(room))
        .map(
          (room) => `${relative(src, path)} imports ${room}: move the code, or change the table here and in ARCHITECTURE.md with a reason`,
        ),
    )
    expect([...new Set(wrong)]).toEqual([])
  })

  it('runs without what only tests load', () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((target) => target.startsWith('.') && isTestFile(resolve(dirname(path), target)))
        .map((target) => `${relative(src, path)} imports ${target}: runtime code stands on its own`),
    )
    expect(wrong).toEqual([])
  })

  it('has no import cycles, of types neither', () => {
    const graph = new Map(
      sources.map((path) => [
        path,
        importsOf(path)
          .filter((target) => target.startsWith('.'))
          .map((target) => resolve(dirname(path), target)),
      ]),
    )
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].map((step) => relative(src, step)).join(' -> '))
        return
      }
      if (done.has(path)) return
      for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
      done.add(path)
    }
    for (const path of sources) visit(path, [])
    expect(cycles).toEqual([])
  })

  it('reads clocks, chance and processes only through host/', () => {
    const rules: [RegExp, string][] = [
      [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, 'take a Clock'],
      [/\bsetTimeout\(|\bsetInterval\(/, 'take a Clock'],
      [/\bMath\.random\(/, 'take a Random'],
      [/['"]node:child_process['"]/, 'take an Exec'],
    ]
    // The command line stands at the edge: it times what it shows.
    const wrong = sources
      .filter((path) => !['host', 'cli'].includes(roomOf(path)))
      .flatMap((path) => rules.filter(([rule]) => rule.test(codeOf(path))).map(([, advice]) => `${relative(src, path)}: ${advice}`))
    expect(wrong).toEqual([])
  })

  it('has a noun for every file', () => {
    const junk = files.filter((path) => /(^|\/)(utils?|helpers?|common|misc|index)\.ts$/.test(path))
    expect(junk.map((path) => relative(src, path))).toEqual([])
  })

  it('has a README in every room', () => {
    const rooms = readdirSync(src).filter((name) => statSync(join(src, name)).isDirectory())
    const without = rooms.filter((room) => !readdirSync(join(src, room)).includes('README.md'))
    expect(without).toEqual([])
    expect(rooms.filter((room) => !(room in table))).toEqual([])
  })

  it('uses no any, no enum, and exports nothing by default', () => {
    const wrong = sources.filter((path) =>
      /:\s*any\b|\bas any\b|<any>|^\s*(?:export\s+)?(?:const\s+)?enum\s|^export default/m.test(codeOf(path)),
    )
    expect(wrong.map((path) => relative(src, path))).toEqual([])
  })
})

/** npm from 11 on refuses `npm ci` where a lock lacks even a package for other systems. */
describe('package-lock.json', () => {
  it('has every package that another one in it names, those for other systems too', () => {
    const lock = JSON.parse(readFileSync(join(src, '../package-lock.json'), 'utf8')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>
    }
    const paths = Object.keys(lock.packages)
    const lacking = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => !paths.some((other) => other.endsWith(`node_modules/${name}`)))
        .map((name) => `${path} names ${name}`),
    )
    expect(lacking).toEqual([])
  })
})
