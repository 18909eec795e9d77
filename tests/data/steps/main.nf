params.reference = 'reference.fa'
params.bam = '*.bam'

process variants {
    input:
    path reference
    path bam

    output:
    path 'variants/calls.vcf.gz'

    script:
    """
    penstock run variants --reference $reference --bam $bam --param ploidy=2 --output variants
    """
}

process count {
    publishDir '.', mode: 'copy'

    input:
    path calls

    output:
    path 'count.txt'

    script:
    """
    bcftools view -H $calls | wc -l > count.txt
    """
}

workflow {
    variants(file(params.reference), files(params.bam))
    count(variants.out)
}
