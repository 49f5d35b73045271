import { type FieldRequirement, parseFieldSelector } from '../machinery/field-selector.ts'
import { SelectorError } from '../machinery/label-selector.ts'
import type { Route } from './route.ts'

const selecting: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection'])

/**
 * The route as authorization sees it: confined by its field selector. One that selects a single object by its name asks for
 * that object, so that it can be allowed for one alone.
 */
export function withSelection(route: Route, query: URLSearchParams): Route {
  if (route.type === 'path' || !selecting.has(route.verb) || route.name !== undefined) return route
  const fields = requirementsOf(query.get('fieldSelector') ?? '')
  if (fields.length === 0) return route
  const name = fields.find(({ field, operator }) => field === 'metadata.name' && operator === '=')?.value
  return { ...route, fields, ...(name && route.verb !== 'deletecollection' ? { name } : {}) }
}

/** One that cannot be read confines nothing; whoever serves the request refuses it. */
function requirementsOf(selector: string): readonly FieldRequirement[] {
  try {
    return parseFieldSelector(selector)
  } catch (error) {
    if (error instanceof SelectorError) return []
    throw error
  }
}
