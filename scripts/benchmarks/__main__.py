import argparse, json, sys, tempfile
from pathlib import Path
from . import push
from .effort import Effort
a=argparse.ArgumentParser(); a.add_argument("--quick",action="store_true"); a.add_argument("--full",action="store_true"); a.add_argument("--only"); a.add_argument("--out",type=Path,required=True)
o=a.parse_args()
e=Effort.QUICK if o.quick else Effort.FULL if o.full else Effort.DEFAULT
o.out.mkdir(parents=True,exist_ok=True)
if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=o.out) as w:
        rows=push.run(e,Path(w),lambda t:print(t,file=sys.stderr,flush=True))
    (o.out/"bench.json").write_text(json.dumps({"push":rows},indent=1))
    for r in rows: print({k:(round(v,3) if isinstance(v,float) else v) for k,v in r.items()})
