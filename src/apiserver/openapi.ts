import type { ApiRequest, ApiResponse } from '../machinery/api-request.ts'
import { pathNotFound } from '../machinery/status.ts'

/** /openapi/v2 and /openapi/v3/... */
export async function openApiAnswer(_rest: readonly string[], _request: ApiRequest): Promise<ApiResponse> {
  throw pathNotFound()
}
