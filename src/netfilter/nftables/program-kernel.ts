import { createHash } from 'node:crypto'
import type { Clock } from '../../host/clock.ts'
import { type Exec, ExecError } from '../../host/exec.ts'
import { type NftKernel, RefusedError, tableName } from './kernel.ts'
import type { Family, HeldTable } from './ruleset.ts'
import type { Change, Transaction } from './transaction.ts'
import { transactionText } from './transaction-text.ts'

export interface ProgramKernelOptions {
  exec: Exec
  clock: Clock
  /** How often a watched table is compared with what it was. */
  pollMs?: number
}

/** As libc writes errnos, which is how nft says why the kernel refused. */
const errnoTexts: Readonly<Record<string, string>> = {
  'No such file or directory': 'ENOENT',
  'File exists': 'EEXIST',
  'Device or resource busy': 'EBUSY',
  'Invalid argument': 'EINVAL',
  'Operation not supported': 'EOPNOTSUPP',
  'Too many links': 'EMLINK',
  'Too many open files in system': 'ENFILE',
  'Operation not permitted': 'EPERM',
}

/**
 * nftables through the program `nft`, for where there are no system calls. It starts a process for each transaction, and reads nothing
 * back but names: {@link NftKernel.readsBack}.
 */
export function openProgramKernel(options: ProgramKernelOptions): NftKernel {
  return new ProgramKernel(options)
}

interface Watch {
  family: Family
  table: string
  run: () => void
  /** What the table looked like when last it was as we knew it. */
  known: string | undefined
  stop: () => void
}

class ProgramKernel implements NftKernel {
  readonly readsBack = false
  readonly #options: Required<ProgramKernelOptions>
  readonly #watches = new Set<Watch>()
  /** One thing at a time, so that a comparison never meets half of an own change. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: ProgramKernelOptions) {
    this.#options = { pollMs: 30_000, ...options }
  }

  apply(transaction: Transaction): Promise<void> {
    return this.#inTurn(async () => {
      const { family, name } = transaction.table
      const watches = [...this.#watches].filter((watch) => watch.family === family && watch.table === name)
      // Others' changes would otherwise be taken for a part of this one.
      for (const watch of watches) await this.#compare(watch)
      try {
        await this.#run(transaction)
      } finally {
        for (const watch of watches) watch.known = await this.#look(watch)
      }
    })
  }

  async #run(transaction: Transaction): Promise<void> {
    const { code, stderr } = await this.#options.exec.run('nft', ['-f', '-'], { input: transactionText(transaction), timeoutMs: 120_000 })
    if (code !== 0) throw refusal(transaction, stderr)
  }

  async read(family: Family, table: string): Promise<HeldTable | undefined> {
    const text = await this.#inTurn(() => this.#list(family, table))
    return text === undefined ? undefined : namesIn(family, table, text)
  }

  async readAll(): Promise<HeldTable[]> {
    throw new Error('the rules can only be read over netlink, and that needs system calls which this machine does not give')
  }

  whenChangedByOthers(family: Family, table: string, run: () => void): () => void {
    const watch: Watch = { family, table, run, known: undefined, stop: () => undefined }
    this.#watches.add(watch)
    void this.#inTurn(async () => {
      watch.known = await this.#look(watch)
    })
    this.#poll(watch)
    return () => {
      this.#watches.delete(watch)
      watch.stop()
    }
  }

  close(): void {
    for (const watch of this.#watches) watch.stop()
    this.#watches.clear()
  }

  #poll(watch: Watch): void {
    watch.stop = this.#options.clock.after(this.#options.pollMs, () => {
      void this.#inTurn(() => this.#compare(watch)).finally(() => {
        if (this.#watches.has(watch)) this.#poll(watch)
      })
    })
  }

  async #compare(watch: Watch): Promise<void> {
    const now = await this.#look(watch)
    if (now === watch.known || !this.#watches.has(watch)) return
    watch.known = now
    watch.run()
  }

  /** A digest of all in the table that only we should change: not what rules count, nor what they put into sets, nor what goes from there by itself. */
  async #look({ family, table }: Watch): Promise<string | undefined> {
    const text = await this.#list(family, table)
    return text === undefined ? undefined : createHash('sha256').update(stableText(text)).digest('hex')
  }

  async #list(family: Family, table: string): Promise<string | undefined> {
    const { code, stdout, stderr } = await this.#options.exec.run('nft', ['-j', 'list', 'table', family, table], { timeoutMs: 120_000 })
    if (code === 0) return stdout
    if (stderr.includes('No such file or directory')) return undefined
    throw new ExecError(`nft list table ${tableName(family, table)} ended with ${code}: ${stderr.trim()}`)
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run)
    this.#turn = result.catch(() => undefined)
    return result
  }
}

type Listed = Record<string, { name: string; flags?: string[]; elem?: unknown }>

const listedIn = (json: string): Listed[] => (JSON.parse(json) as { nftables: Listed[] }).nftables

function namesIn(family: Family, table: string, json: string): HeldTable {
  const named: HeldTable = { family, name: table, dormant: false, sets: [], chains: [], counters: [] }
  for (const { chain, set, map } of listedIn(json)) {
    if (chain) named.chains.push({ name: chain.name, rules: [] })
    const held = set ?? map
    if (held) named.sets.push({ name: held.name, key: undefined, keyLength: 0, dataLength: 0, anonymous: false, elements: [] })
  }
  return named
}

function stableText(json: string): string {
  return JSON.stringify(
    listedIn(json)
      .filter((entry) => !('metainfo' in entry))
      .map((entry) => {
        const set = entry.set ?? entry.map
        // nft 1.0.6 does not say which sets rules may change; those have elements that go by themselves.
        return set?.flags?.some((flag) => flag === 'timeout' || flag === 'dynamic') ? { ...set, elem: undefined } : entry
      }),
    (key, value: unknown) => (key === 'packets' || key === 'bytes' || key === 'expires' ? undefined : value),
  )
}

/** nft names the line at fault, and each change is one line: `/dev/stdin:3:1-40: Error: Could not process rule: File exists`. */
function refusal(transaction: Transaction, stderr: string): RefusedError {
  const found = /:(\d+):[\d-]+: Error: (?:Could not process rule: )?(.*)/.exec(stderr)
  const change: Change | undefined = found === null ? undefined : transaction.changes[Number(found[1]) - 1]
  const said = (found?.[2] ?? stderr).trim()
  const code = Object.entries(errnoTexts).find(([text]) => said.includes(text))?.[1]
  return code === undefined ? new RefusedError(transaction, 'EINVAL', change, 0, said) : new RefusedError(transaction, code, change)
}
