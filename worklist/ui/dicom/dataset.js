/** Reading data sets in the DICOM JSON Model (PS3.18 Annex F). Their text is shown as text, never as markup. */
import { request } from "../core/api.js";

export const TAG = {
  SOPClassUID: "00080016",
  SOPInstanceUID: "00080018",
  StudyDate: "00080020",
  StudyTime: "00080030",
  AccessionNumber: "00080050",
  Modality: "00080060",
  ModalitiesInStudy: "00080061",
  ReferringPhysicianName: "00080090",
  CodeMeaning: "00080104",
  ReferencedSeriesSequence: "00081115",
  ReferencedImageSequence: "00081140",
  ReferencedSOPInstanceUID: "00081155",
  ReferencedSOPSequence: "00081199",
  StudyDescription: "00081030",
  SeriesDescription: "0008103E",
  PatientName: "00100010",
  PatientID: "00100020",
  PatientBirthDate: "00100030",
  PatientSex: "00100040",
  FrameTime: "00181063",
  SequenceOfUltrasoundRegions: "00186011",
  RegionFormat: "00186012",
  RegionMinX0: "00186018",
  RegionMinY0: "0018601A",
  RegionMaxX1: "0018601C",
  RegionMaxY1: "0018601E",
  PhysicalUnitsX: "00186024",
  PhysicalUnitsY: "00186026",
  PhysicalDeltaX: "0018602C",
  PhysicalDeltaY: "0018602E",
  CineRate: "00180040",
  ImagerPixelSpacing: "00181164",
  ImagePlanePixelSpacing: "30020011",
  NominalScannedPixelSpacing: "00182010",
  StudyInstanceUID: "0020000D",
  SeriesInstanceUID: "0020000E",
  SeriesNumber: "00200011",
  InstanceNumber: "00200013",
  ImagePositionPatient: "00200032",
  ImageOrientationPatient: "00200037",
  FrameOfReferenceUID: "00200052",
  PatientOrientation: "00200020",
  NumberOfStudyRelatedSeries: "00201206",
  NumberOfStudyRelatedInstances: "00201208",
  NumberOfSeriesRelatedInstances: "00201209",
  PlanePositionSequence: "00209113",
  PlaneOrientationSequence: "00209116",
  SamplesPerPixel: "00280002",
  PhotometricInterpretation: "00280004",
  PlanarConfiguration: "00280006",
  NumberOfFrames: "00280008",
  Rows: "00280010",
  Columns: "00280011",
  PixelSpacing: "00280030",
  PixelAspectRatio: "00280034",
  BitsAllocated: "00280100",
  BitsStored: "00280101",
  HighBit: "00280102",
  PixelRepresentation: "00280103",
  PixelPaddingValue: "00280120",
  PixelPaddingRangeLimit: "00280121",
  FloatPixelPaddingValue: "00280122",
  DoubleFloatPixelPaddingValue: "00280123",
  FloatPixelPaddingRangeLimit: "00280124",
  DoubleFloatPixelPaddingRangeLimit: "00280125",
  WindowCenter: "00281050",
  WindowWidth: "00281051",
  RescaleIntercept: "00281052",
  RescaleSlope: "00281053",
  VOILUTFunction: "00281056",
  RedPaletteDescriptor: "00281101",
  GreenPaletteDescriptor: "00281102",
  BluePaletteDescriptor: "00281103",
  RedPaletteData: "00281201",
  GreenPaletteData: "00281202",
  BluePaletteData: "00281203",
  ModalityLUTSequence: "00283000",
  LUTDescriptor: "00283002",
  LUTExplanation: "00283003",
  LUTData: "00283006",
  VOILUTSequence: "00283010",
  SoftcopyVOILUTSequence: "00283110",
  PixelMeasuresSequence: "00289110",
  FrameVOILUTSequence: "00289132",
  PixelValueTransformationSequence: "00289145",
  PresentationLUTShape: "20500020",
  ContentSequence: "0040A730",
  ValueType: "0040A040",
  ConceptNameCodeSequence: "0040A043",
  DateTimeValue: "0040A120",
  DateValue: "0040A121",
  TimeValue: "0040A122",
  PersonNameValue: "0040A123",
  UIDValue: "0040A124",
  TextValue: "0040A160",
  ConceptCodeSequence: "0040A168",
  MeasuredValueSequence: "0040A300",
  NumericValue: "0040A30A",
  MeasurementUnitsCodeSequence: "004008EA",
  CurrentRequestedProcedureEvidenceSequence: "0040A375",
  PertinentOtherEvidenceSequence: "0040A385",
  DocumentTitle: "00420010",
  EncapsulatedDocument: "00420011",
  MIMETypeOfEncapsulatedDocument: "00420012",
  SegmentationType: "00620001",
  MaximumFractionalValue: "0062000E",
  GraphicAnnotationSequence: "00700001",
  UnformattedTextValue: "00700006",
  TextObjectSequence: "00700008",
  GraphicObjectSequence: "00700009",
  ImageHorizontalFlip: "00700041",
  ImageRotation: "00700042",
  ContentLabel: "00700080",
  ContentDescription: "00700081",
  PresentationCreationDate: "00700082",
  PresentationCreationTime: "00700083",
  ContentCreatorName: "00700084",
  SharedFunctionalGroupsSequence: "52009229",
  PerFrameFunctionalGroupsSequence: "52009230",
  PixelPresentation: "00089205",
  FloatPixelData: "7FE00008",
  DoubleFloatPixelData: "7FE00009",
  PixelData: "7FE00010",
};

export const values = (dataset, keyword) => dataset?.[TAG[keyword]]?.Value ?? [];
export const first = (dataset, keyword) => values(dataset, keyword)[0];
export const text = (dataset, keyword) => String(first(dataset, keyword) ?? "");
export const has = (dataset, keyword) => Boolean(dataset?.[TAG[keyword]]);

/** Numbers, also of strings; undefined when there are none or not all are. */
export function numbers(dataset, keyword) {
  const found = values(dataset, keyword).map(Number);
  return found.length && found.every(Number.isFinite) ? found : undefined;
}

export const number = (dataset, keyword, otherwise) => numbers(dataset, keyword)?.[0] ?? otherwise;

/** The bytes of a value, wherever they are; undefined when it has none. `type`: what they are known to be. */
export const bytes = (dataset, keyword, type) => bytesOf(dataset?.[TAG[keyword]], type);

export async function bytesOf(attribute, type = "application/octet-stream") {
  if (attribute?.InlineBinary) return Uint8Array.from(atob(attribute.InlineBinary), (each) => each.charCodeAt(0));
  if (!attribute?.BulkDataURI) return undefined;
  const headers = { Accept: `${type}, application/octet-stream;q=0.5` };
  return new Uint8Array(await (await request(sameOrigin(attribute.BulkDataURI), { headers })).arrayBuffer());
}

/** Only this server is asked, whatever address it has for itself. */
function sameOrigin(uri) {
  const url = new URL(uri, location.href);
  return url.pathname + url.search;
}
