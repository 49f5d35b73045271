/** Replaces `$(NAME)` by the variable's value; `$$(NAME)` stays as `$(NAME)`, an unknown name stays as it is. */
export function expand(text: string, lookUp: (name: string) => string | undefined): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '$' || i + 1 === text.length) {
      out += text[i]
      continue
    }
    const next = text[++i]
    if (next === '$') out += '$'
    else if (next === '(') {
      const end = text.indexOf(')', i)
      if (end < 0) out += '$('
      else {
        const name = text.slice(i + 1, end)
        out += lookUp(name) ?? `$(${name})`
        i = end
      }
    } else out += `$${next}`
  }
  return out
}
