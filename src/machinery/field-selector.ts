import { SelectorError } from './label-selector.ts'

/** One condition of a field selector: `spec.nodeName=node-1`. */
export interface FieldRequirement {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

/**
 * Parses the `fieldSelector` of a query string: `a=1,b!=2`, with `\` before a comma, an equals sign or a backslash that
 * belongs to a value. Throws {@link SelectorError}.
 */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  return splitTerms(text)
    .filter((term) => term !== '')
    .map((term) => {
      const parts = /^((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)(.*)$/s.exec(term)
      if (!parts) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`)
      const [, field = '', operator, value = ''] = parts
      return { field, operator: operator === '!=' ? '!=' : '=', value: unescaped(value) }
    })
}

/** At commas that no backslash precedes. */
function splitTerms(text: string): string[] {
  const terms: string[] = ['']
  for (const [part] of text.matchAll(/\\.|[^\\]|\\$/gs)) {
    if (part === ',') terms.push('')
    else terms[terms.length - 1] += part
  }
  return terms
}

function unescaped(value: string): string {
  return value.replace(/\\(.?)|[,=]/gs, (whole, escaped: string | undefined) => {
    if (escaped === undefined) throw new SelectorError(`invalid field selector: unescaped character in value: '${whole}'`)
    if (escaped !== ',' && escaped !== '=' && escaped !== '\\') {
      throw new SelectorError(`invalid field selector: invalid escape sequence: \\${escaped}`)
    }
    return escaped
  })
}

/** `read` answers the object's value of a field as text; a field that the object lacks is the empty text. */
export function matchesFields(requirements: readonly FieldRequirement[], read: (field: string) => string): boolean {
  return requirements.every(({ field, operator, value }) => (read(field) === value) === (operator === '='))
}
