/** How a client shows who it is. What is unset is not shown; a client without any is anonymous. */
export interface Credential {
  /** Bearer token. */
  readonly token?: string
  /** Client certificate and its key, PEM. */
  readonly cert?: string
  readonly key?: string
  /** `user:password`. */
  readonly basic?: string
}

/** Where a credential comes from: it may change while the client lives. */
export interface Credentials {
  /** Asked before every call: quick where nothing changed. */
  current(): Promise<Credential>
  /** The server didn't accept what was given last (401). */
  refused(): void
}

export function fixedCredentials(credential: Credential): Credentials {
  return { current: () => Promise.resolve(credential), refused: () => undefined }
}

export function authorizationOf({ token, basic }: Credential): string | undefined {
  if (token !== undefined) return `Bearer ${token}`
  return basic === undefined ? undefined : `Basic ${Buffer.from(basic).toString('base64')}`
}
