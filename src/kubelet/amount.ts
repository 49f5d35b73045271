const scales: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/**
 * The number a resource quantity such as `100m` or `1.5Gi` stands for, in cores or bytes. Floating point is exact enough for
 * what the kernel is told; the API has checked the text. Throws RangeError for what is no quantity.
 */
export function amountOf(quantity: string | undefined): number {
  if (quantity === undefined) return 0
  const parts = /^([+-]?[0-9.]+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?$/.exec(quantity)
  const scale = scales[parts?.[2] ?? '']
  if (!parts || scale === undefined) throw new RangeError(`${JSON.stringify(quantity)} is not a quantity`)
  return Number(parts[1]) * scale * 10 ** Number(parts[3] ?? 0)
}
