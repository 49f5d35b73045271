/** The text of whatever was thrown, for people: its message, without a stack. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
