"""Workbooks written by hand, part by part, as no spreadsheet program would write them."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"


def xlsx_parts(sheet: str, shared: str = "", styles: str = "") -> dict[str, str]:
    """The parts of a workbook with one sheet "S"; `sheet` is what stands inside <worksheet>."""
    related = "".join(
        f'<Relationship Id="{name}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for name, kind, target in (
            ("rId1", "worksheet", "worksheets/sheet1.xml"),
            ("rId2", "sharedStrings", "sharedStrings.xml"),
            ("rId3", "styles", "styles.xml"),
        )
    )
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{OFFICE}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">{related}</Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}">{sheet}</worksheet>',
    }
    if shared:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{shared}</sst>'
    if styles:
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>'
    return parts


def ods_parts(table: str) -> dict[str, str]:
    """The parts of an ODS with one table "S"; `table` is what stands inside <table:table>."""
    space = "urn:oasis:names:tc:opendocument:xmlns:"
    return {
        "mimetype": ODS_TYPE,
        "content.xml": f'<office:document-content xmlns:office="{space}office:1.0" xmlns:table="{space}table:1.0"'
        f' xmlns:text="{space}text:1.0"><office:body><office:spreadsheet><table:table table:name="S">{table}'
        "</table:table></office:spreadsheet></office:body></office:document-content>",
    }


def write_zip(path: Path, parts: Mapping[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def texts(*rows: str) -> str:
    """A <sheetData> of rows of text cells, cells separated by `|`."""
    made = []
    for number, row in enumerate(rows, 1):
        cells = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row.split("|"))
        made.append(f'<row r="{number}">{cells}</row>')
    return f"<sheetData>{''.join(made)}</sheetData>"
