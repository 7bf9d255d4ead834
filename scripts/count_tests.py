"""Adds up JUnit files. The last line is "N passed, N failed[, N skipped]"; 1 if a test failed."""

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
                why = reason.get("message", "") if reason is not None else "not run"
                print(f"SKIPPED {case.get('name')}: {why}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
