# Sums the depths that "samtools depth -a" lists over the bins of a BED file (fourth column: the bins' width).
# awk -f depth.awk bins.bed -
BEGIN { FS = OFS = "\t" }
FILENAME != "-" { width = $4; rows = FNR; contig[FNR] = $1; start[FNR] = $2; end[FNR] = $3; next }
{ sum[$1, int(($2 - 1) / width)] += $3 }
END {
    for (row = 1; row <= rows; row++)
        printf "%s\t%d\t%d\t%.0f\n", contig[row], start[row], end[row], sum[contig[row], int(start[row] / width)]
}
