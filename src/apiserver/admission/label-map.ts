import { labelValueFaults, qualifiedNameFaults } from '../../machinery/names.ts'

/** `a=b,c=d` as labels; `fault` says what is wrong with it, in upstream's words. */
export function parseLabelMap(text: string): { labels: Readonly<Record<string, string>>; fault?: string } {
  const labels: Record<string, string> = {}
  for (const part of text === '' ? [] : text.split(',')) {
    const [key = '', value, ...rest] = part.split('=').map((piece) => piece.trim())
    if (value === undefined || rest.length > 0) return { labels, fault: `invalid selector: ${part}` }
    const faults = [...qualifiedNameFaults(key), ...labelValueFaults(value)]
    if (faults.length > 0) return { labels, fault: `invalid label ${JSON.stringify(part)}: ${faults.join('; ')}` }
    labels[key] = value
  }
  return { labels }
}
