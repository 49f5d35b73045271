import { parseRule, type SavedRules, UnknownRuleError } from './parse.ts'
import { type Chains, type Hook, type Rule, type RuleSet, ruleText, type TableName, tableNames } from './rules.ts'

/** One change of the kernel's rules, all or nothing a table: text for `iptables-restore --noflush`. */
export interface Transaction {
  readonly text: string
  /** Chains sent, for metrics and tests. */
  readonly chainsWritten: number
  readonly chainsRemoved: number
  readonly rulesWritten: number
}

function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  if (a === b) return true
  return a.length === b.length && a.every((rule, i) => rule === b[i] || ruleText(rule) === ruleText(b[i] as Rule))
}

const hookKey = (hook: Hook): string => `${hook.table} ${hook.chain} ${ruleText(hook.rule)}`

/** Names of chains that must be written and that must go, to come from one set to the other. */
function changedChains(from: Chains, to: Chains): { write: string[]; remove: string[] } {
  const write: string[] = []
  for (const [name, rules] of to) {
    const before = from.get(name)
    if (!before || !sameRules(before, rules)) write.push(name)
  }
  const remove = [...from.keys()].filter((name) => !to.has(name))
  // By name: iptables-nft 1.8 keeps its chains in a sorted list, and inserting at random places made a load quadratic
  // (5,000 Services: 56 s in order of Services).
  return { write: write.sort(), remove: remove.sort() }
}

/**
 * The least text that turns `from` into `to`, or undefined if they are the same. Chains that go are emptied at the top
 * and deleted at the end, when nothing refers to them any more; hooks are put in front of what others have in the chain.
 */
export function difference(from: RuleSet, to: RuleSet): Transaction | undefined {
  const hooksBefore = new Set(from.hooks.map(hookKey))
  const hooksAfter = new Set(to.hooks.map(hookKey))
  const parts: string[] = [] // a table each; lines as arguments of one call would be too many for the stack
  let chainsWritten = 0,
    chainsRemoved = 0,
    rulesWritten = 0
  for (const table of tableNames) {
    const { write, remove } = changedChains(from.tables[table], to.tables[table])
    const unhook = from.hooks.filter((hook) => hook.table === table && !hooksAfter.has(hookKey(hook)))
    // Each goes to the front of its chain, so the last inserted is met first.
    const hook = to.hooks.filter((hook) => hook.table === table && !hooksBefore.has(hookKey(hook))).toReversed()
    if (write.length + remove.length + unhook.length + hook.length === 0) continue
    chainsWritten += write.length
    chainsRemoved += remove.length
    const rules = write.flatMap((name) => (to.tables[table].get(name) as readonly Rule[]).map((rule) => `-A ${name} ${ruleText(rule)}`))
    rulesWritten += rules.length
    const lines = [
      `*${table}`,
      ...[...write, ...remove].map((name) => `:${name} - [0:0]`),
      ...unhook.map((gone) => `-D ${gone.chain} ${ruleText(gone.rule)}`),
      ...hook.map((added) => `-I ${added.chain} 1 ${ruleText(added.rule)}`),
      ...rules,
      ...remove.map((name) => `-X ${name}`),
      'COMMIT',
    ]
    parts.push(lines.join('\n'))
  }
  if (parts.length === 0) return undefined
  return { text: `${parts.join('\n')}\n`, chainsWritten, chainsRemoved, rulesWritten }
}

/** Rules that we cannot read are not ours, so they only ever need to be different from every rule of ours. */
function readRule(text: string): Rule {
  try {
    return parseRule(text)
  } catch (error) {
    if (!(error instanceof UnknownRuleError)) throw error
    return { matches: [{ type: 'comment', text: `unknown: ${text}` }], target: { type: 'return' } }
  }
}

/**
 * What of ours the kernel holds: chains whose name `isOurs` knows, and hooks that jump to such chains. iptables-save
 * orders matches in its own way, so a rule counts as the one in `expected` when both have the same parts in any order;
 * then the expected rule itself stands in the answer.
 */
export function ownRules(saved: SavedRules, isOurs: (table: TableName, chain: string) => boolean, expected: RuleSet): RuleSet {
  const tables: Record<TableName, Map<string, readonly Rule[]>> = { mangle: new Map(), nat: new Map(), filter: new Map() }
  const hooks: Hook[] = []
  for (const table of tableNames) {
    for (const [name, texts] of saved[table]) {
      if (isOurs(table, name)) {
        tables[table].set(name, readChain(texts, expected.tables[table].get(name)))
        continue
      }
      for (const text of texts) {
        const rule = readRule(text)
        if (rule.target.type !== 'jump' || !isOurs(table, rule.target.chain)) continue
        const known = expected.hooks.find((hook) => hook.table === table && hook.chain === name && sameParts(hook.rule, rule))
        hooks.push(known ?? { table, chain: name, rule })
      }
    }
  }
  return { tables, hooks }
}

function readChain(texts: readonly string[], expected: readonly Rule[] | undefined): readonly Rule[] {
  const rules = texts.map(readRule)
  const same = expected?.length === rules.length && rules.every((rule, i) => sameParts(rule, expected[i] as Rule))
  return same ? (expected as readonly Rule[]) : rules
}

function sameParts(a: Rule, b: Rule): boolean {
  const parts = (rule: Rule): string => {
    const each = rule.matches.map((match) => ruleText({ matches: [match], target: { type: 'return' } }))
    return [...each.sort(), ruleText({ matches: [], target: rule.target })].join(' ')
  }
  return parts(a) === parts(b)
}

/**
 * Repeats of a hook beyond the first: a crash in between or two starts at once may have left some. As `-D` lines
 * take out the first that matches, a set with the repeats as `from` and without as `to` needs them listed apart.
 */
export function repeatedHooks(set: RuleSet): Hook[] {
  const seen = new Set<string>()
  return set.hooks.filter((hook) => {
    const key = hookKey(hook)
    const again = seen.has(key)
    seen.add(key)
    return again
  })
}
