"""Shapes -> JSON Schema 2020-12 (https://json-schema.org/draft/2020-12), as editors read it.

yaml-language-server completes and underlines well where alternatives are told apart by `if`/`then` on a key, and badly
where they are an `anyOf` of objects; so variants become conditions, and named records stand once under `$defs`.
"""

from typing import Any

from services.builds.recipes.shapes import ByKey, ByValue, Either, Flag, Many, Record, Shape, Table, Text

JsonSchema = dict[str, Any]


def render(shape: Record, *, title: str, nullable: bool = False) -> JsonSchema:
    """Write the schema of a whole recipe; the same shape always gives the same one.

    `nullable`: keys that are not required may be empty, which is the same to the dialect as leaving them out.
    """
    renderer = _Renderer(nullable=nullable)
    body = renderer.write(shape)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **body,
        "$defs": dict(sorted(renderer.definitions.items())),
    }


class _Renderer:
    def __init__(self, *, nullable: bool) -> None:
        self.definitions: dict[str, JsonSchema] = {}
        self._nullable = nullable

    def write(self, shape: Shape) -> JsonSchema:
        """Write one shape; one that has a name is put aside, and referred to."""
        body = self._body(shape)
        described = {"description": shape.doc, **body} if shape.doc else body
        if not (isinstance(shape, Record | ByValue) and shape.name):
            return described
        self.definitions[shape.name] = described
        return {"$ref": f"#/$defs/{shape.name}"}

    def _body(self, shape: Shape) -> JsonSchema:
        match shape:
            case Text():
                return _text(shape)
            case Flag():
                return {"type": "boolean"} | ({} if shape.default is None else {"default": shape.default})
            case Many():
                least = {"minItems": shape.at_least} if shape.at_least else {}
                return {"type": "array", "items": self.write(shape.item), **least}
            case Table():
                keys = {"propertyNames": {"pattern": _anchored(shape.keys)}} if shape.keys else {}
                return {"type": "object", "additionalProperties": self._value(shape.value), **keys}
            case Record():
                return self._record(shape)
            case Either():
                return {"anyOf": [self.write(option) for option in shape.options]}
            case ByKey():
                return {"type": "object", **self._by_key(list(shape.marks.items()), shape.otherwise)}
            case ByValue():
                return self._by_value(shape)

    def _record(self, shape: Record) -> JsonSchema:
        required = {"required": list(shape.required)} if shape.required else {}
        properties = {
            key: self.write(inner) if key in shape.required else self._value(inner)
            for key, inner in shape.fields.items()
        }
        closed = {} if shape.open else {"additionalProperties": False}
        return {"type": "object", **required, "properties": properties, **closed}

    def _value(self, shape: Shape) -> JsonSchema:
        """Write the shape of a value that may be left out."""
        body = self.write(shape)
        if not self._nullable:
            return body
        doc = {"description": body.pop("description")} if "description" in body else {}
        return {**doc, "anyOf": [body, {"type": "null"}]}

    def _by_key(self, marks: list[tuple[str, Shape]], otherwise: Shape) -> JsonSchema:
        if not marks:
            return self.write(otherwise)
        (mark, inner), *rest = marks
        return {"if": {"required": [mark]}, "then": self.write(inner), "else": self._by_key(rest, otherwise)}

    def _by_value(self, shape: ByValue) -> JsonSchema:
        """Require the key, list its texts for completion, and add one condition for each record."""
        texts: dict[int, list[str]] = {}
        records: dict[int, Shape] = {}
        for text, inner in shape.variants.items():
            texts.setdefault(id(inner), []).append(text)
            records[id(inner)] = inner
        every = list(shape.variants)
        key: JsonSchema = {"enum": every} if shape.otherwise is None else {"type": "string", "examples": every}
        if shape.key_doc:
            key = {"description": shape.key_doc, **key}
        conditions = [
            {"if": _is_one_of(shape.key, texts[at]), "then": self.write(inner)} for at, inner in records.items()
        ]
        if shape.otherwise is not None:
            conditions.append({"if": {"not": _is_one_of(shape.key, every)}, "then": self.write(shape.otherwise)})
        return {"type": "object", "required": [shape.key], "properties": {shape.key: key}, "allOf": conditions}


def _text(shape: Text) -> JsonSchema:
    body: JsonSchema = {"type": ["string", "integer"], "minimum": 0} if shape.numbers else {"type": "string"}
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


def _is_one_of(key: str, texts: list[str]) -> JsonSchema:
    return {"properties": {key: {"enum": texts}}, "required": [key]}
