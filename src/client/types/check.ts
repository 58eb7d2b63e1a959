import type { ProgressMessage } from './progress.ts';

/** One message of a check; the last one has the report. */
export interface CheckMessage extends Omit<ProgressMessage, 'aux'> {
  readonly aux?: CheckReport;
}

/** What a check of all images found: an extension of berth. */
export interface CheckReport {
  readonly Blobs: number;
  readonly Layers: number;
  readonly Damages: readonly Damage[];
}

/** A blob or layer that is not what its digest says. */
export interface Damage {
  readonly Kind: 'blob' | 'layer';
  /** Of the blob, or the layer's diff ID. */
  readonly Digest: string;
  readonly Reason: string;
  /** The images that need it: their tags, else their short ids. */
  readonly Images: readonly string[];
  readonly Repair: 'none' | 'done' | 'failed';
  readonly RepairError?: string;
}
