import type { UserInfo } from '../../../machinery/api-request.ts'
import type { AccessOracle, Answer, ResourceQuestion } from '../../../machinery/cel/library/authorizer.ts'
import { type FieldRequirement, parseFieldSelector } from '../../../machinery/field-selector.ts'
import { SelectorError } from '../../../machinery/label-selector.ts'
import { serviceAccountUser } from '../../access/service-account-user.ts'
import type { ResourceRoute, Route, Verb } from '../../route.ts'
import type { AdmissionFacts } from '../plugin.ts'

/** What `authorizer` knows: whether a user may do things, by the same rules as requests. Each question is answered once. */
export class RequestOracle implements AccessOracle {
  readonly #user: UserInfo
  readonly #facts: Pick<AdmissionFacts, 'allows' | 'reasonFor'>
  readonly #answers = new Map<string, Answer>()

  constructor(user: UserInfo, facts: Pick<AdmissionFacts, 'allows' | 'reasonFor'>) {
    this.#user = user
    this.#facts = facts
  }

  askPath(verb: string, path: string): Answer {
    return this.#once(JSON.stringify([verb, path]), () => ({ type: 'path', path, verb }))
  }

  askResource(verb: string, question: ResourceQuestion): Answer {
    return this.#once(JSON.stringify([verb, question]), () => routeOf(verb, question))
  }

  asServiceAccount(namespace: string, name: string): AccessOracle {
    return new RequestOracle(serviceAccountUser(namespace, { name, uid: '' }, {}), this.#facts)
  }

  #once(key: string, routeAsked: () => Route): Answer {
    const known = this.#answers.get(key)
    if (known) return known
    const [user, facts, route] = [this.#user, this.#facts, routeAsked()]
    const answer: Answer = {
      allowed: facts.allows(user, route),
      get reason() {
        return facts.reasonFor(user, route)
      },
    }
    this.#answers.set(key, answer)
    return answer
  }
}

/** Verbs may be any: roles can grant what no request does, such as `use`. */
function routeOf(verb: string, { group, resource, subresource, namespace, name, fieldSelector }: ResourceQuestion): ResourceRoute {
  const fields = fieldSelector === '' ? undefined : fieldsOf(fieldSelector)
  return {
    type: 'resource',
    verb: verb as Verb,
    group,
    version: '*',
    plural: resource,
    namespace: namespace || undefined,
    name: name || undefined,
    subresource: subresource || undefined,
    ...(fields ? { fields } : {}),
  }
}

/** One that says nothing confines to nothing. */
function fieldsOf(selector: string): readonly FieldRequirement[] | undefined {
  try {
    return parseFieldSelector(selector)
  } catch (error) {
    if (error instanceof SelectorError) return undefined
    throw error
  }
}
