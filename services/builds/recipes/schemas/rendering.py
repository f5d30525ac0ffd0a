"""Shapes -> JSON Schema 2020-12 (https://json-schema.org/draft/2020-12), as editors read it.

yaml-language-server completes and underlines well where alternatives are told apart by `if`/`then` on a key, and badly
where they are an `anyOf` of objects; so variants become conditions, and named records stand once under `$defs`.
"""

from typing import Any

from services.builds.recipes.shapes import ByKey, ByValue, Either, Flag, Many, Record, Shape, Table, Text

JsonSchema = dict[str, Any]


def render(shape: Shape, *, title: str) -> JsonSchema:
    """Write a whole schema; the same shape always gives the same one."""
    definitions: dict[str, JsonSchema] = {}
    body = _render(shape, definitions)
    if "$ref" in body:
        body = definitions.pop(body["$ref"].removeprefix("#/$defs/"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _render(shape: Shape, definitions: dict[str, JsonSchema]) -> JsonSchema:
    return _described(shape.doc, _body(shape, definitions))


def _described(doc: str, body: JsonSchema) -> JsonSchema:
    return {"description": doc, **body} if doc else body


def _body(shape: Shape, definitions: dict[str, JsonSchema]) -> JsonSchema:
    match shape:
        case Text():
            return _text(shape)
        case Flag():
            return {"type": "boolean"} | ({} if shape.default is None else {"default": shape.default})
        case Many():
            least = {"minItems": shape.at_least} if shape.at_least else {}
            return {"type": "array", "items": _render(shape.item, definitions), **least}
        case Table():
            keys = {"propertyNames": {"pattern": _anchored(shape.keys)}} if shape.keys else {}
            return {"type": "object", "additionalProperties": _render(shape.value, definitions), **keys}
        case Record():
            return _record(shape, definitions)
        case Either():
            return {"anyOf": [_render(option, definitions) for option in shape.options]}
        case ByKey():
            return {"type": "object", **_by_key(list(shape.marks.items()), shape.otherwise, definitions)}
        case ByValue():
            return _by_value(shape, definitions)


def _text(shape: Text) -> JsonSchema:
    body: JsonSchema = {"type": ["string", "integer"] if shape.numbers else "string"}
    if shape.choices:
        body["enum"] = list(shape.choices)
    if shape.pattern:
        body["pattern"] = _anchored(shape.pattern)
    if shape.default is not None:
        body["default"] = shape.default
    return body


def _anchored(pattern: str) -> str:
    """Make a pattern fit the whole text: JSON Schema searches, and Python's `$` lets a line feed pass behind it."""
    return f"^(?:{pattern})$(?!\\n)"


def _record(shape: Record, definitions: dict[str, JsonSchema]) -> JsonSchema:
    body: JsonSchema = {"type": "object"}
    if shape.required:
        body["required"] = list(shape.required)
    body["properties"] = {key: _render(inner, definitions) for key, inner in shape.fields.items()}
    if not shape.open:
        body["additionalProperties"] = False
    if not shape.name:
        return body
    definitions[shape.name] = _described(shape.doc, body)
    return {"$ref": f"#/$defs/{shape.name}"}


def _by_key(marks: list[tuple[str, Shape]], otherwise: Shape, definitions: dict[str, JsonSchema]) -> JsonSchema:
    if not marks:
        return _render(otherwise, definitions)
    (mark, inner), *rest = marks
    return {
        "if": {"required": [mark]},
        "then": _render(inner, definitions),
        "else": _by_key(rest, otherwise, definitions),
    }


def _by_value(shape: ByValue, definitions: dict[str, JsonSchema]) -> JsonSchema:
    """Require the key, list its texts for completion, and add one condition per record."""
    texts: dict[int, list[str]] = {}
    records: dict[int, Shape] = {}
    for text, inner in shape.variants.items():
        texts.setdefault(id(inner), []).append(text)
        records[id(inner)] = inner
    known: JsonSchema = {"enum": list(shape.variants)}
    key = known if shape.otherwise is None else {"type": "string", "examples": list(shape.variants)}
    body: JsonSchema = {
        "type": "object",
        "required": [shape.key],
        "properties": {shape.key: _described(shape.key_doc, key)},
        "allOf": [
            {"if": _is_one_of(shape.key, texts[at]), "then": _render(inner, definitions)}
            for at, inner in records.items()
        ],
    }
    if shape.otherwise is not None:
        body["allOf"].append(
            {"if": {"not": _is_one_of(shape.key, list(shape.variants))}, "then": _render(shape.otherwise, definitions)}
        )
    return body


def _is_one_of(key: str, texts: list[str]) -> JsonSchema:
    return {"properties": {key: {"enum": texts}}, "required": [key]}
