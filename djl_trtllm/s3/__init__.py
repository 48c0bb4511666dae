"""Objects in S3: addresses, listing, fetching and storing, by boto3 or by the s5cmd binary."""
