"""Adds up JUnit files; the last line is "N passed, N failed[, N skipped]". Exit code 1 on a failure."""

import sys
import xml.etree.ElementTree as ElementTree


def main() -> int:
    passed = failed = skipped = 0
    for path in sys.argv[1:]:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        if not cases:
            print(f"{path} holds no test", file=sys.stderr)
            failed += 1
        for case in cases:
            reason = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
                print(f"FAILED {case.get('classname', '')} {case.get('name')}")
            elif reason is not None or case.get("status") == "notrun":
                skipped += 1
                print(f"SKIPPED {case.get('name')}: {reason.get('message') if reason is not None else ''}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
