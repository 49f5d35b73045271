import { dnsLabelFaults, dnsSubdomainFaults } from '../../names.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, Opaque, type Value } from '../values.ts'

/** What is asked about a resource; empty texts stand for what is not said. */
export interface ResourceQuestion {
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
  readonly fieldSelector: string
  readonly labelSelector: string
}

export interface Answer {
  readonly allowed: boolean
  readonly reason: string
}

/** Who may do what: the user of the request, or a service account. */
export interface AccessOracle {
  askPath(verb: string, path: string): Answer
  askResource(verb: string, question: ResourceQuestion): Answer
  asServiceAccount(namespace: string, name: string): AccessOracle
}

const names = {
  authorizer: 'kubernetes.authorization.Authorizer',
  path: 'kubernetes.authorization.PathCheck',
  group: 'kubernetes.authorization.GroupCheck',
  resource: 'kubernetes.authorization.ResourceCheck',
  decision: 'kubernetes.authorization.Decision',
} as const
export const authorizerTypeName = names.authorizer
export const resourceCheckTypeName = names.resource

/** One step of a question; nothing can be read of it but by its functions. */
class Step<T> extends Opaque {
  readonly typeName: string
  readonly content: T

  constructor(typeName: string, content: T) {
    super()
    this.typeName = typeName
    this.content = content
  }

  equals(other: Opaque): boolean {
    return other === this
  }
}

interface PathCheck {
  readonly oracle: AccessOracle
  readonly path: string
}
interface GroupCheck {
  readonly oracle: AccessOracle
  readonly group: string
}
interface ResourceCheck {
  readonly oracle: AccessOracle
  readonly question: ResourceQuestion
}

export const authorizerValue = (oracle: AccessOracle): Value => new Step(names.authorizer, oracle)
export const resourceCheckValue = (oracle: AccessOracle, question: ResourceQuestion): Value =>
  new Step(names.resource, { oracle, question })

const blank: ResourceQuestion = { group: '', resource: '', subresource: '', namespace: '', name: '', fieldSelector: '', labelSelector: '' }

function path({ content: oracle }: Step<AccessOracle>, asked: string): Value {
  if (asked.trim() === '') throw new EvaluationError('path must not be empty')
  return new Step<PathCheck>(names.path, { oracle, path: asked })
}

function serviceAccount({ content: oracle }: Step<AccessOracle>, namespace: string, name: string): Value {
  if (dnsSubdomainFaults(name).length > 0) throw new EvaluationError('Invalid service account name')
  if (dnsLabelFaults(namespace).length > 0) throw new EvaluationError('Invalid service account namespace')
  return authorizerValue(oracle.asServiceAccount(namespace, name))
}

function resource({ content: { oracle, group } }: Step<GroupCheck>, asked: string): Value {
  if (asked.trim() === '') throw new EvaluationError('resource must not be empty')
  return resourceCheckValue(oracle, { ...blank, group, resource: asked })
}

const detail = (signature: string, field: keyof ResourceQuestion): Overload =>
  overload(`(${names.resource}) ${signature}(string) -> ${names.resource}`, ({ content }: Step<ResourceCheck>, value: string) =>
    resourceCheckValue(content.oracle, { ...content.question, [field]: value }),
  )

const decision = (answer: Answer): Value => new Step(names.decision, answer)
/** Two checks are all that an expression's cost allows. */
const checkCost = (): number => 350_000

export const authorization: readonly Overload[] = [
  overload(`(${names.authorizer}) path(string) -> ${names.path}`, path),
  overload(
    `(${names.authorizer}) group(string) -> ${names.group}`,
    ({ content: oracle }: Step<AccessOracle>, group: string) => new Step<GroupCheck>(names.group, { oracle, group }),
  ),
  overload(`(${names.authorizer}) serviceAccount(string, string) -> ${names.authorizer}`, serviceAccount),
  overload(`(${names.group}) resource(string) -> ${names.resource}`, resource),
  detail('subresource', 'subresource'),
  detail('namespace', 'namespace'),
  detail('name', 'name'),
  detail('fieldSelector', 'fieldSelector'),
  detail('labelSelector', 'labelSelector'),
  overload(
    `(${names.path}) check(string) -> ${names.decision}`,
    ({ content }: Step<PathCheck>, verb: string) => decision(content.oracle.askPath(verb, content.path)),
    checkCost,
  ),
  overload(
    `(${names.resource}) check(string) -> ${names.decision}`,
    ({ content }: Step<ResourceCheck>, verb: string) => decision(content.oracle.askResource(verb, content.question)),
    checkCost,
  ),
  overload(`(${names.decision}) allowed() -> bool`, ({ content }: Step<Answer>) => content.allowed),
  overload(`(${names.decision}) reason() -> string`, ({ content }: Step<Answer>) => content.reason),
  overload(`(${names.decision}) errored() -> bool`, () => false),
  overload(`(${names.decision}) error() -> string`, () => ''),
]
