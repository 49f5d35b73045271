/** Nobody reads more; and paths into a deep text are long. */
const enough = { paths: 100, characters: 100_000 }

/**
 * Finds object keys that a JSON text gives twice: JSON.parse keeps the last one silently. Returns the paths of the first of them in
 * upstream's form (`spec.containers[0].image`), each once, in the order of the text.
 *
 * The text must be valid JSON (JSON.parse has taken it): this only follows its structure.
 */
export function duplicateFields(text: string): string[] {
  const found = new Found()
  const stack: Level[] = []
  let level: Level | undefined
  let at = 0
  while (at < text.length && !found.isFull) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
        level = { keys: new Set(), key: '', index: 0 }
        stack.push(level)
        break
      case 0x5b: // [
        level = { keys: undefined, key: '', index: 0 }
        stack.push(level)
        break
      case 0x7d: // }
      case 0x5d: // ]
        stack.pop()
        level = stack[stack.length - 1]
        break
      case 0x2c: // ,
        if (level && !level.keys) level.index++
        break
      case 0x22: {
        const end = endOfString(text, at)
        if (level?.keys && followedByColon(text, end)) noteKey(text.slice(at, end), level, stack, found)
        at = end
        continue
      }
    }
    at++
  }
  return [...found.paths]
}

class Found {
  readonly paths = new Set<string>()
  #characters = 0

  get isFull(): boolean {
    return this.paths.size >= enough.paths || this.#characters >= enough.characters
  }

  add(path: string): void {
    this.paths.add(path)
    this.#characters += path.length
  }
}

interface Level {
  /** Of an object: the keys seen so far; undefined for a list. */
  readonly keys: Set<string> | undefined
  key: string
  index: number
}

function noteKey(quoted: string, level: Level, stack: readonly Level[], found: Found): void {
  level.key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1)
  const keys = level.keys as Set<string>
  if (keys.has(level.key)) found.add(pathOf(stack))
  else keys.add(level.key)
}

function pathOf(stack: readonly Level[]): string {
  let path = ''
  for (const level of stack) path += level.keys ? `${path ? '.' : ''}${level.key}` : `[${level.index}]`
  return path
}

/** The position after the closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x5c) at++
    else if (code === 0x22) break
  }
  return at + 1
}

function followedByColon(text: string, from: number): boolean {
  let at = from
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++
  return text.charCodeAt(at) === 0x3a
}
