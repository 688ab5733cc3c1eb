"""A small GQA questions file, made by hand."""


def question(answer, structural="verify", entailed=(), group="g", **more):
    return {
        "imageId": "n1",
        "question": "Is it red?",
        "answer": answer,
        "isBalanced": True,
        "groups": {"global": group, "local": "x"},
        "entailed": list(entailed),
        "types": {"structural": structural, "semantic": "attr", "detailed": "verifyAttr"},
        "semantic": [{"operation": "select", "argument": "dog (1)"}, {"operation": "exist", "argument": "?"}],
    } | more


QUESTIONS = {
    "01": question("yes", entailed=["01", "02", "03"]),
    "02": question("no"),
    "03": question("red", "query", entailed=["01"], isBalanced=False),
    "04": question("dog", "query", group=None, imageId="n2"),
}
