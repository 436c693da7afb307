/** Stacks of instructions that the server keeps by name. */

import { type KeptLayer, parseLayers } from "../messages/control";
import { fields, finite, parseJson, text } from "../messages/json";
import { type Http, json, Unreachable } from "./http";

export interface Preset {
  readonly id: string;
  readonly name: string;
  readonly layers: readonly KeptLayer[];
}

/** What became of a file's presets. */
export interface Imported {
  readonly added: number;
  readonly replaced: number;
  /** Left as they were: there was one of that name. */
  readonly kept: number;
}

const TYPE = "application/json";
const FILE_FORMAT = "afterimage-presets";
const FILE_VERSION = 1;

/** The presets of the server. */
export class Presets {
  constructor(private readonly http: Http) {}

  all(): Promise<Preset[]> {
    return this.http.list("v1/presets", parsePreset);
  }

  /** One as it is kept now; refused with 404 where it is no longer. */
  async find(id: string): Promise<Preset> {
    const preset = parsePreset(await json(await this.http.call(address(id))));
    if (preset === null) throw new Unreachable();
    return preset;
  }

  /** Keep these instructions by a name; refused with 409 where it is taken. */
  async save(name: string, layers: readonly KeptLayer[]): Promise<void> {
    await this.http.call("v1/presets", { method: "POST", type: TYPE, body: body(name, layers) });
  }

  /** Give a preset another name and other instructions. */
  async change(id: string, name: string, layers: readonly KeptLayer[]): Promise<void> {
    await this.http.call(address(id), { method: "PUT", type: TYPE, body: body(name, layers) });
  }

  async remove(id: string): Promise<void> {
    await this.http.call(address(id), { method: "DELETE" });
  }

  /** All of them as a file. */
  async exported(): Promise<Blob> {
    return (await this.http.call("v1/presets/export")).blob();
  }

  /** Take in a file of presets, all or none; those whose names are taken stay as they are, or are replaced. */
  async takeIn(file: string, existing: "keep" | "replace"): Promise<Imported> {
    const path = `v1/presets/import?existing=${existing}`;
    const response = await this.http.call(path, { method: "POST", type: TYPE, body: file });
    const imported = fields(await json(response));
    return {
      added: finite(imported?.["added"]) ?? 0,
      replaced: finite(imported?.["replaced"]) ?? 0,
      kept: finite(imported?.["kept"]) ?? 0,
    };
  }
}

/** Why a file's content can hold no presets; null where it may. */
export function objectionToFile(content: string): string | null {
  const file = parseJson(content);
  if (file === null) return "it is not a JSON file of presets";
  if (file["format"] !== FILE_FORMAT) return "it holds no presets of Afterimage";
  if ((finite(file["version"]) ?? FILE_VERSION) > FILE_VERSION) {
    return "a newer Afterimage wrote it";
  }
  return null;
}

function address(id: string): string {
  return `v1/presets/${encodeURIComponent(id)}`;
}

function body(name: string, layers: readonly KeptLayer[]): string {
  const kept = layers.map(({ text, strength, enabled }) => ({ text, strength, enabled }));
  return JSON.stringify({ name, layers: kept });
}

function parsePreset(value: unknown): Preset | null {
  const preset = fields(value);
  const [id, name] = [text(preset?.["id"]), text(preset?.["name"])];
  if (id === null || name === null) return null;
  return { id, name, layers: parseLayers(preset?.["layers"]) };
}
