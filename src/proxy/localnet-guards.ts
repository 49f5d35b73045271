import { type Exec, ExecError } from '../host/exec.ts'
import { iptables } from '../netfilter/iptables.ts'
import type { OpenNftables } from '../netfilter/nftables/open-nftables.ts'
import type { HeldTable } from '../netfilter/nftables/ruleset.ts'
import type { SavedRules } from '../netfilter/parse.ts'
import { tagOfGuardChain } from './iptables/chain-names.ts'
import { tagOfTable } from './nftables/set-names.ts'
import { type FindGuards, type LocalnetGuard, settingInNote } from './route-localnet.ts'

interface GuardSources {
  readonly exec: Exec
  readonly openNftables: OpenNftables
  readonly variant?: 'nft' | 'legacy' | undefined
}

/** Looks into iptables and nftables alike, as clusters on one host need not be in the same mode; neither need be there. */
export function guardsOnHost({ exec, openNftables, variant }: GuardSources): FindGuards {
  return async () => {
    const guards: LocalnetGuard[] = []
    await eachIptables(variant, async (one) => {
      guards.push(...iptablesGuards(await iptables({ ...one, exec, family: 'IPv4' }).read()))
    })
    const kernel = openNftables()
    try {
      if (kernel?.readsBack) guards.push(...nftablesGuards(await kernel.readAll()))
      else if (kernel) guards.push(...(await listedGuards(exec)))
    } finally {
      kernel?.close()
    }
    return guards
  }
}

/**
 * The kind of iptables that was asked for; else every kind that the machine may have, as it may have changed its default since. What is not
 * installed is passed over.
 */
export async function eachIptables(
  variant: 'nft' | 'legacy' | undefined,
  run: (one: { variant?: 'nft' | 'legacy' }) => Promise<void>,
): Promise<void> {
  const kinds = variant ? [{ variant }] : [{}, { variant: 'nft' as const }, { variant: 'legacy' as const }]
  for (const kind of kinds) {
    try {
      await run(kind)
    } catch (error) {
      if (!isMissingProgram(error)) throw error
    }
  }
}

/** Without a program there are no rules of its making that we could have left. */
export const isMissingProgram = (error: unknown): boolean => error instanceof ExecError && error.result === undefined

function iptablesGuards(saved: SavedRules): LocalnetGuard[] {
  return [...saved.filter].flatMap(([chain, rules]) => guard(tagOfGuardChain(chain), rules))
}

function nftablesGuards(tables: readonly HeldTable[]): LocalnetGuard[] {
  return tables
    .filter(({ family }) => family === 'ip')
    .flatMap(({ name, chains }) =>
      guard(
        tagOfTable(name),
        chains.flatMap(({ rules }) => rules.map(({ comment = '' }) => comment)),
      ),
    )
}

/** As the program nft lists them. */
async function listedGuards(exec: Exec): Promise<LocalnetGuard[]> {
  const listed = await exec.run('nft', ['--terse', 'list', 'ruleset', 'ip'])
  const tables = listed.stdout.split(/^(?=table )/m)
  return tables.flatMap((text) => guard(tagOfTable(/^table ip (\S+)/.exec(text)?.[1] ?? ''), [text]))
}

function guard(tag: string | undefined, texts: readonly string[]): LocalnetGuard[] {
  const was = settingInNote(texts.join('\n'))
  return tag === undefined || was === undefined ? [] : [{ tag, was }]
}
