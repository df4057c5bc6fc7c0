import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

const NAMESPACE = 'qhub_ext';

/** Why a request gave nothing: `status` 0 where no server answered. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly advice = '',
    readonly cause = ''
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Jupyter answers 404 for the whole namespace where the extension is missing or switched off. */
  get isMissingExtension(): boolean {
    return this.status === 404 && this.cause === '';
  }
}

export function endpointUrl(
  settings: ServerConnection.ISettings,
  endpoint: string,
  query: Query = {}
): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter(one => one !== undefined && one !== '')
      .map(one => [key, String(one)])
  );
  const search = new URLSearchParams(pairs).toString();
  return (
    URLExt.join(settings.baseUrl, NAMESPACE, endpoint) +
    (search ? `?${search}` : '')
  );
}

export type Query = Record<
  string,
  string | number | boolean | readonly string[] | undefined
>;

export async function request(
  settings: ServerConnection.ISettings,
  endpoint: string,
  init: RequestInit = {},
  query: Query = {}
): Promise<Response> {
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(
      endpointUrl(settings, endpoint, query),
      init,
      settings
    );
  } catch (error) {
    if (init.signal?.aborted) {
      throw error;
    }
    throw new ApiError(String((error as Error).message), 0);
  }
  if (!response.ok) {
    throw await readError(response);
  }
  return response;
}

async function readError(response: Response): Promise<ApiError> {
  const body = (await response
    .clone()
    .json()
    .catch(() => ({}))) as Partial<Record<string, string>>;
  return new ApiError(
    body.message || response.statusText,
    response.status,
    body.advice,
    body.cause
  );
}

export async function requestJson<T>(
  settings: ServerConnection.ISettings,
  endpoint: string,
  init: RequestInit = {},
  query: Query = {}
): Promise<T> {
  return (await (await request(settings, endpoint, init, query)).json()) as T;
}
