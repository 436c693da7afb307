/** Stacks of instructions that the server keeps by name. */

import type { Http } from "./http";
import type { Layer } from "./messages/control";
import { fields, text } from "./messages/json";

export interface Preset {
  readonly id: string;
  readonly name: string;
}

const TYPE = "application/json";

/** The presets of the server. */
export class Presets {
  constructor(private readonly http: Http) {}

  all(): Promise<Preset[]> {
    return this.http.list("v1/presets", parsePreset);
  }

  /** Keep these instructions by a name. */
  async save(name: string, layers: readonly Layer[]): Promise<void> {
    const kept = layers.map(({ text, strength, enabled }) => ({ text, strength, enabled }));
    const body = JSON.stringify({ name, layers: kept });
    await this.http.call("v1/presets", { method: "POST", type: TYPE, body });
  }

  async remove(id: string): Promise<void> {
    await this.http.call(`v1/presets/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** All of them as a file. */
  async exported(): Promise<Blob> {
    return (await this.http.call("v1/presets/export")).blob();
  }

  /** Take in a file of presets; those whose names are taken stay as they are. */
  async takeIn(file: string): Promise<void> {
    await this.http.call("v1/presets/import", { method: "POST", type: TYPE, body: file });
  }
}

function parsePreset(value: unknown): Preset | null {
  const preset = fields(value);
  const [id, name] = [text(preset?.["id"]), text(preset?.["name"])];
  return id === null || name === null ? null : { id, name };
}
