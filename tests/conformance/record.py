# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md: a row for each case, as the last run found it."""
import dataclasses
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "conformance.md"
MARK = "<!-- The rest is written by tests/conformance/run --write. -->"
# Why cases fail, by what their name says; for others the page quotes the suite.
MISSING = [
    (r"Sample API Server", "the sample API server waits until it can list the policies of admissionregistration.k8s.io, which are not served yet"),
    (r"AdmissionPolicy", "admission policies need CEL, which is not there yet"),
    (r"CustomResourceConversionWebhook", "conversion webhooks are not called yet"),
]


@dataclasses.dataclass
class Row:
    case: str
    passed: bool
    reason: str = ""


def read() -> dict:
    """{case: Row} of the page; empty if there is none yet."""
    rows = {}
    text = PAGE.read_text() if PAGE.exists() else ""
    for line in text.splitlines():
        match = re.match(r"\| (passed|failed) \| (\[sig-.*?) \| ?(.*?) ?\|$", line)
        if match:
            case = match[2].replace("\\|", "|")
            rows[case] = Row(case, match[1] == "passed", match[3].replace("\\|", "|").replace("&lt;", "<"))
    return rows


def group(case: str) -> str:
    return re.match(r"\[sig-([a-z-]+)\]", case)[1]


def why(row: Row) -> str:
    if row.passed:
        return ""
    return next((reason for pattern, reason in MISSING if re.search(pattern, row.case)), row.reason)


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def write(rows: dict):
    """Writes all rows below the mark; what people wrote above it stays."""
    head = PAGE.read_text().split(MARK)[0]
    lines = [head.rstrip(), "", MARK, "", f"{sum(row.passed for row in rows.values())} of {len(rows)} cases pass.", "",
             "| group | passed | of |", "| --- | --- | --- |"]
    groups = sorted({group(case) for case in rows})
    for name in groups:
        of = [row for case, row in rows.items() if group(case) == name]
        lines.append(f"| {name} | {sum(row.passed for row in of)} | {len(of)} |")
    for name in groups:
        lines += ["", f"## {name}", "", "| result | case | why not |", "| --- | --- | --- |"]
        for case in sorted(case for case in rows if group(case) == name):
            row = rows[case]
            lines.append(f"| {'passed' if row.passed else 'failed'} | {case.replace('|', chr(92) + '|')} | {escape(why(row))} |")
    PAGE.write_text("\n".join(lines) + "\n")
