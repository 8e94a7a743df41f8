#!/bin/sh
# Trains the models that ship, from ImageNet weights on: sh benchmarks/default_model.sh DATA RUNS
#
# DATA holds fashion-product-images-small.zip, larger.zip, real-world.zip and details.csv; each run
# becomes a folder in RUNS. The same command goes on after a stop: runs that are finished are passed
# over, and a training that was stopped is resumed. docs/training.md says how long it takes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
data=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"
for file in fashion-product-images-small.zip larger.zip real-world.zip details.csv; do
    ln -sf "$data/$file" .
done
ln -sf "$here/phone_types.csv" "$here/phone_looks.csv" "$here/two_cores" .

shop=fashion-product-images-small.zip
photos="--alternate larger.zip --extra real-world.zip --details details.csv"
types="$photos --details phone_types.csv"
looks="$types --details phone_looks.csv"

# A model gets its model.json last, when it has been judged.
finished() {
    [ -s "$1/model.json" ]
}

# train RUN OPTION...
train() {
    run=$1
    shift
    if finished "$run"; then return; fi
    if ls "$run"/checkpoints/*.ckpt > /dev/null 2>&1; then set -- "$@" --resume; fi
    hangtag train "$shop" -o "$run" "$@"
}

# combine average|ensemble RUN MODEL... CATALOGUE OPTION...
combine() {
    command=$1
    run=$2
    shift 2
    if finished "$run"; then return; fi
    rm -rf "$run"
    hangtag "$command" "$@" -o "$run"
}

train one $photos --name hangtag-default-1
train two --recipe fine-tune --start one $photos --name hangtag-default-2
train variety --recipe variety --start two $photos
combine average average variety two variety/checkpoints/step-0003600.ckpt "$shop" $photos \
    --name hangtag-default-3
train plain --recipe two_cores/plain.toml
train taught --recipe taught --start average --teacher average --teacher plain $photos \
    --name hangtag-default-4
train elsewhere --recipe elsewhere --start taught --teacher taught --teacher average \
    --teacher plain $types
combine average both elsewhere elsewhere taught "$shop" $types --name hangtag-default-5
train wide --recipe wide --start both --teacher both --teacher average --teacher plain $looks \
    --name hangtag-default-6
train anywhere --recipe anywhere --start wide --teacher taught --teacher both --teacher wide \
    --teacher plain $looks --name hangtag-default-7
combine average mean anywhere wide "$shop" $looks --name hangtag-default-8
train plain-lite2 --recipe two_cores/plain-lite2.toml
train lite2 --recipe two_cores/lite2.toml --start plain-lite2 --teacher taught --teacher both \
    --teacher mean --teacher plain-lite2 $looks
train lite2-longer --recipe two_cores/lite2-longer.toml --start lite2 --teacher taught --teacher both \
    --teacher mean --teacher plain-lite2 $looks
combine average lite2-mean lite2-longer lite2-longer lite2 "$shop" $looks
train larger-teachers --recipe two_cores/larger-teachers.toml --start mean --teacher mean \
    --teacher both --teacher lite2-longer --teacher plain-lite2 $looks
combine average last-12 larger-teachers mean "$shop" $looks --name hangtag-default-12
train any-side --recipe two_cores/any-side.toml --start last-12 --teacher mean --teacher both \
    --teacher lite2-longer --teacher plain-lite2 $looks
combine average last-13 any-side last-12 "$shop" $looks --name hangtag-fast-22
train lite2-any-side --recipe two_cores/lite2-any-side.toml --start lite2-mean --teacher last-13 \
    --teacher both --teacher plain-lite2 $looks
combine average lite2-13 lite2-any-side lite2-mean "$shop" $looks
train lite2-gentle --recipe two_cores/lite2-gentle.toml --start lite2-13 --teacher last-13 \
    --teacher plain-lite2 $looks
combine average lite2-15 lite2-gentle lite2-13 "$shop" $looks
train lite2-labels --recipe two_cores/lite2-labels.toml --start lite2-15 $looks
combine average lite2-18 lite2-labels lite2-15 "$shop" $looks
train lite2-marked --recipe two_cores/lite2-marked.toml --start lite2-18 $looks
combine average lite2-20 lite2-marked lite2-18 "$shop" $looks
train labels --recipe two_cores/labels.toml --start last-13 $looks
combine average last-18 labels last-13 "$shop" $looks
combine ensemble together last-18 lite2-20 "$shop" $looks --name hangtag-default-22
